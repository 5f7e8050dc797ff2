# Made by pasvctl 0.1.0; do not edit: change the spec and generate it again.
#
# Rules of Windows Defender Firewall for host edge2. Run it there as an administrator:
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
        Name          = 'pasvctl-edge2--edi-control-v4'
        DisplayName   = 'FTP edi control IPv4'
        LocalAddress  = '203.0.113.20'
        LocalPort     = '2121'
        RemoteAddress = '192.0.2.0/25', '192.0.2.128/25', '198.51.100.7/32'
    }
    @{
        Name          = 'pasvctl-edge2--edi-data-v4'
        DisplayName   = 'FTP edi data IPv4'
        LocalAddress  = '203.0.113.20'
        LocalPort     = '61000-61010'
        RemoteAddress = '192.0.2.0/25', '192.0.2.128/25', '198.51.100.7/32'
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
