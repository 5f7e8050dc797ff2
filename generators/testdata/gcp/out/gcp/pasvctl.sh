#!/bin/sh
# Made by pasvctl 0.1.0; do not edit: change the spec and generate it again.
#
# VPC firewall rules: one for each site and address family. They apply to the
# instances that have the host's network tag or service account: give it to the
# host's instance. Rules are stateful: replies and running transfers need no rule.
# What no rule admits is denied, unless the network has rules of its own that
# admit it, as default-allow-internal does from the network's own addresses. There
# is no gate: the data ports are open to all clients.
#
# Run this script again after each change: it updates a rule that exists. The
# network of new rules is in the variable NETWORK. Rules of sites that have left the
# spec are not deleted:
#   gcloud compute firewall-rules list --filter='name~^pasvctl-'
set -eu
: "${NETWORK:?set it to the name of the VPC network}"

rule() {
	name=$1
	shift
	if gcloud compute firewall-rules describe "$name" --format='value(name)' >/dev/null 2>&1; then
		gcloud compute firewall-rules update "$name" "$@"
	else
		gcloud compute firewall-rules create "$name" --network="$NETWORK" --direction=INGRESS "$@"
	fi
}

rule 'pasvctl-edge-1--downloads-v4' --priority=1000 \
	--allow='tcp:21','tcp:61000-61046' \
	--target-tags='ftp' \
	--description='FTP control and data ports of downloads for IPv4, by pasvctl' \
	--source-ranges='0.0.0.0/0'
rule 'pasvctl-edge-1--downloads-v6' --priority=1000 \
	--allow='tcp:21','tcp:61000-61046' \
	--target-tags='ftp' \
	--description='FTP control and data ports of downloads for IPv6, by pasvctl' \
	--source-ranges='::/0'
rule 'pasvctl-edge-1--orders-v4' --priority=1000 \
	--allow='tcp:2121','tcp:61047-61057' \
	--target-tags='ftp' \
	--description='FTP control and data ports of orders for IPv4, by pasvctl' \
	--source-ranges='192.0.2.0/24'
rule 'pasvctl-edge-1--orders-v6' --priority=1000 \
	--allow='tcp:2121','tcp:61047-61057' \
	--target-tags='ftp' \
	--description='FTP control and data ports of orders for IPv6, by pasvctl' \
	--source-ranges='2001:db8:1::/48'
rule 'pasvctl-edge2--edi-v4' --priority=1000 \
	--allow='tcp:2121','tcp:61000-61010' \
	--target-tags='pasvctl-edge2' \
	--description='FTP control and data ports of edi for IPv4, by pasvctl' \
	--source-ranges='192.0.2.0/25','192.0.2.128/25','198.51.100.7/32'
