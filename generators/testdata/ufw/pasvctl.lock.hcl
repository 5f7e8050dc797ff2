# Made by pasvctl: the data ports that each site was given. Commit this file
# beside the spec: it keeps every site where its firewalls and clients expect
# it when sites are added, resized or removed. A site that is not in the spec
# any more is dropped from here, and its ports are free again.

site "downloads" {
  host       = "edge1"
  data_ports = "61000-61046"
  ports      = 47
}

site "edi" {
  host       = "edge2"
  data_ports = "61000-61010"
  ports      = 11
}

site "orders-of-the-warehouse" {
  host       = "edge1"
  data_ports = "61047-61057"
  ports      = 11
}
