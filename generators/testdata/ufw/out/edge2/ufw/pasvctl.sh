#!/bin/sh
# Made by pasvctl 0.1.0; do not edit: change the spec and generate it again.
#
# Run it as root, with pasvctl.profile beside it: sh pasvctl.sh. It may run again,
# and after each change of the spec it must: it copies the profiles to
# /etc/ufw/applications.d/pasvctl, and ufw app update moves the rules to a new
# range, which shuts the old one. It deletes rules of the profiles pasvctl-* that
# the spec no longer has. Running transfers go on.
# A rule of your own that comes before these still decides. ufw filters only while
# it is enabled: ufw enable.
# There is no gate: the data ports are open to all clients.
set -eu
cd "$(dirname "$0")"

if ! grep -Eq "^DEFAULT_INPUT_POLICY=['\"]?(DROP|REJECT)['\"]?[[:space:]]*$" /etc/default/ufw; then
	echo 'pasvctl.sh: the default policy is not deny, so all ports are open: ufw default deny incoming' >&2
	exit 1
fi
rules='
from 192.0.2.0/25 to 203.0.113.20 app pasvctl-edi
from 192.0.2.128/25 to 203.0.113.20 app pasvctl-edi
from 198.51.100.7 to 203.0.113.20 app pasvctl-edi
'

# Old rules go while ufw still has their profiles. Rules are several words each.
added=$(ufw show added)
echo "$added" | sed -En 's/^ufw allow ((from [^ ]+ )?to [^ ]+ app pasvctl-[^ ]+)$/\1/p' | while read -r rule; do
	echo "$rules" | grep -Fqx "$rule" || ufw delete allow $rule </dev/null
done
cp pasvctl.profile /etc/ufw/applications.d/pasvctl
chmod 644 /etc/ufw/applications.d/pasvctl
grep -o '^\[pasvctl-[^]]*' pasvctl.profile | tr -d '[' | while read -r profile; do
	ufw app update "$profile" </dev/null
done
echo "$rules" | grep app | while read -r rule; do
	ufw allow $rule </dev/null
done
