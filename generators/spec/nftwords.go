package spec

import "strings"

// nftWords are the words of the nft language that the scanner of nft never
// takes for a name (nftables 1.0.6, src/scanner.l: the ones without a start
// condition; and 1.1 where it has more), with no quotes around that would help.
// A table or chain that another program has given such a name is out of reach
// of every file for nft.
var nftWords = func() map[string]bool {
	words := map[string]bool{}
	for word := range strings.FieldsSeq(`
		accept add ah all and arp auto-merge bridge cgroup chain comment comp constant continue counter cpu create ct
		day dccp define delete describe destroy device devices dnat drop dst dup dynamic ecn element elements eq esp
		ether exists expires export exthdr fib flags flow flowtable flush frag fwd gc-interval ge geneve get goto gre
		gretap gt handle hbh hook hour ibriport ibrname icmp icmpv6 igmp iif iifgroup iifname iiftype import include
		index inet insert interval ip ip6 ipsec jhash jump le limit list log lshift lt map mark masquerade meta meter
		mh missing monitor ne netdev nftrace not notrack numgen obriport obrname offload oif oifgroup oifname oiftype
		or osf pkttype policy position priority queue quota random redefine redirect reject rename replace reset
		return rshift rt rt0 rt2 rtclassid rule ruleset sctp secmark set size skgid skuid snat socket srh symhash
		synproxy table tcp th time timeout tproxy type typeof udp udplite undefine update vlan vmap vni vxlan xor xt
	`) {
		words[word] = true
	}
	return words
}()
