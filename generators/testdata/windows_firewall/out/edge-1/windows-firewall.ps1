# Made by pasvctl 0.1.0; do not edit: change the spec and generate it again.
#
# Rules of Windows Defender Firewall for host edge-1. Run it there as an administrator:
#   powershell -ExecutionPolicy RemoteSigned -File windows-firewall.ps1
#
# Run it again after each change: it changes a rule that exists in place, and removes
# the rules of the group pasvctl that have left the spec last. All of them go with:
#   Get-NetFirewallRule -Group 'pasvctl' | Remove-NetFirewallRule
#
# A rule only admits. All else is refused if the firewall is on and blocks inbound
# connections that no rule admits, which is its default; a rule that blocks wins over
# these. The firewall is stateful: replies need no rule. IIS comes with rules that admit
# every client to port 21 and all high ports; disable them:
#   Get-NetFirewallRule -DisplayName 'FTP Server*' | Disable-NetFirewallRule
# There is no gate: the data ports are open to all clients.

#Requires -RunAsAdministrator

$rules = @(
    @{
        Name          = 'pasvctl-edge-1--downloads-control-v4'
        DisplayName   = 'FTP downloads control IPv4'
        LocalAddress  = '203.0.113.10'
        LocalPort     = '21'
        RemoteAddress = 'Any'
    }
    @{
        Name          = 'pasvctl-edge-1--downloads-control-v6'
        DisplayName   = 'FTP downloads control IPv6'
        LocalAddress  = '2001:db8::10'
        LocalPort     = '21'
        RemoteAddress = 'Any'
    }
    @{
        Name          = 'pasvctl-edge-1--downloads-data-v4'
        DisplayName   = 'FTP downloads data IPv4'
        LocalAddress  = '203.0.113.10'
        LocalPort     = '61000-61010'
        RemoteAddress = 'Any'
    }
    @{
        Name          = 'pasvctl-edge-1--downloads-data-v6'
        DisplayName   = 'FTP downloads data IPv6'
        LocalAddress  = '2001:db8::10'
        LocalPort     = '61000-61010'
        RemoteAddress = 'Any'
    }
    @{
        Name          = 'pasvctl-edge-1--orders-control-v4'
        DisplayName   = 'FTP orders control IPv4'
        LocalAddress  = '203.0.113.10'
        LocalPort     = '2121'
        RemoteAddress = '192.0.2.0/24'
    }
    @{
        Name          = 'pasvctl-edge-1--orders-control-v6'
        DisplayName   = 'FTP orders control IPv6'
        LocalAddress  = '2001:db8::10'
        LocalPort     = '2121'
        RemoteAddress = '2001:db8:1::/48'
    }
    @{
        Name          = 'pasvctl-edge-1--orders-data-v4'
        DisplayName   = 'FTP orders data IPv4'
        LocalAddress  = '203.0.113.10'
        LocalPort     = '61011-61021'
        RemoteAddress = '192.0.2.0/24'
    }
    @{
        Name          = 'pasvctl-edge-1--orders-data-v6'
        DisplayName   = 'FTP orders data IPv6'
        LocalAddress  = '2001:db8::10'
        LocalPort     = '61011-61021'
        RemoteAddress = '2001:db8:1::/48'
    }
)

$present = @(Get-NetFirewallRule -ErrorAction Stop | Where-Object { $_.Group -eq 'pasvctl' })
$names = @($present | ForEach-Object { $_.Name })
foreach ($rule in $rules) {
    $settings = @{
        Name          = $rule.Name
        Direction     = 'Inbound'
        Action        = 'Allow'
        Enabled       = 'True'
        Profile       = 'Any'
        Protocol      = 'TCP'
        LocalAddress  = $rule.LocalAddress
        LocalPort     = $rule.LocalPort
        RemoteAddress = $rule.RemoteAddress
        ErrorAction   = 'Stop'
    }
    if ($names -contains $rule.Name) {
        Set-NetFirewallRule @settings
    } else {
        New-NetFirewallRule @settings -DisplayName $rule.DisplayName -Group 'pasvctl' | Out-Null
    }
}

$kept = @($rules | ForEach-Object { $_.Name })
$present | Where-Object { $kept -notcontains $_.Name } | Remove-NetFirewallRule -ErrorAction Stop
