# Made by pasvctl: the data ports that each site was given. Commit this file
# beside the spec: it keeps every site where its firewalls and clients expect
# it when sites are added, resized or removed. A site that is not in the spec
# any more is dropped from here, and its ports are free again.

site "archive" {
  host       = "files"
  data_ports = "61000-61030"
  ports      = 31
}

site "partners" {
  host       = "files"
  data_ports = "61031-61216"
  ports      = 186
}

site "scans" {
  host       = "files"
  data_ports = "61217-61236"
  ports      = 20
}
