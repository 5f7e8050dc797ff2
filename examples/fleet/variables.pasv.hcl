# Every generated file bears this name, whatever this folder is called.
pasvctl {
  name             = "fleet"
  required_version = ">= 0.1.0"
}

# What differs between the fleets that this spec describes. Give other values
# with --var, --var-file or PASVCTL_VAR_name.

variable "regions" {
  description = "One server for each region, with its addresses and the networks of its branches."
  type = map(object({
    addresses = list(string)
    branches  = list(string)
    sessions  = number
  }))

  default = {
    north = {
      addresses = ["203.0.113.20", "2001:db8:0:20::1"]
      branches  = ["198.51.100.0/26", "2001:db8:a::/48"]
      sessions  = 120
    }
    south = {
      addresses = ["203.0.113.30", "2001:db8:0:30::1"]
      branches  = ["198.51.100.64/26", "2001:db8:b::/48"]
      sessions  = 200
    }
  }
}

variable "partners" {
  description = "Networks of the companies that exchange orders with us."
  type        = list(string)
  default     = ["192.0.2.0/28", "192.0.2.64/27"]

  validation {
    condition     = length(var.partners) > 0
    error_message = "Name at least one network: an empty list would open the exchange to nobody."
  }
}

variable "refused" {
  description = "Share of data connections that may find no port."
  type        = number
  default     = 1e-6
}
