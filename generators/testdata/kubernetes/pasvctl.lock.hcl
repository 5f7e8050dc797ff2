# Made by pasvctl: the data ports that each site was given. Commit this file
# beside the spec: it keeps every site where its firewalls and clients expect
# it when sites are added, resized or removed. A site that is not in the spec
# any more is dropped from here, and its ports are free again.

site "chart" {
  host       = "node2"
  data_ports = "30000-30012"
  ports      = 13
}

site "downloads" {
  host       = "node1"
  data_ports = "30013-30017"
  ports      = 5
}

site "scans" {
  host       = "node2"
  data_ports = "30024-30044"
  ports      = 21
}
