# Made by pasvctl: the data ports that each site was given. Commit this file
# beside the spec: it keeps every site where its firewalls and clients expect
# it when sites are added, resized or removed. A site that is not in the spec
# any more is dropped from here, and its ports are free again.

site "archive" {
  host       = "hub"
  data_ports = "21000-21499"
  ports      = 418
}

site "invoices-north" {
  host       = "edge-north"
  data_ports = "61000-61120"
  ports      = 121
}

site "invoices-south" {
  host       = "edge-south"
  data_ports = "61000-61200"
  ports      = 201
}

site "machines" {
  host       = "hub"
  data_ports = "61000-61015"
  ports      = 16
}

site "orders" {
  host       = "hub"
  data_ports = "61016"
  ports      = 1
}

site "prices-north" {
  host       = "edge-north"
  data_ports = "61121-61279"
  ports      = 159
}

site "prices-south" {
  host       = "edge-south"
  data_ports = "61201-61361"
  ports      = 161
}

site "scans-north" {
  host       = "edge-north"
  data_ports = "61280-61399"
  ports      = 120
}

site "scans-south" {
  host       = "edge-south"
  data_ports = "61362-61481"
  ports      = 120
}
