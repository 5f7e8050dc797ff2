# Made by pasvctl: the data ports that each site was given. Commit this file
# beside the spec: it keeps every site where its firewalls and clients expect
# it when sites are added, resized or removed. A site that is not in the spec
# any more is dropped from here, and its ports are free again.

site "downloads" {
  host       = "edge1"
  data_ports = "61000"
  ports      = 1
}

site "legacy" {
  host       = "edge2"
  data_ports = "61000-61027"
  ports      = 28
}

site "mirror" {
  host       = "edge2"
  data_ports = "61028-61046"
  ports      = 19
}

site "scans" {
  host       = "edge1"
  data_ports = "61001-61021"
  ports      = 21
}

site "uploads" {
  host       = "edge2"
  data_ports = "61047-61086"
  ports      = 40
}
