package plan

import (
	"fmt"
	"maps"
	"slices"
	"sort"

	"github.com/pasvctl/pasvctl/generators/spec"
)

const (
	lowestPort  = 1024 // no data range is placed on a privileged port
	highestPort = 65535
)

// choices are where a range is looked for, in this order, each from its lowest
// port up: IANA's dynamic ports without Linux's default ephemeral ones; a round
// block below them; then whatever is left above the privileged ports.
var choices = []spec.PortRange{
	{First: 61000, Last: highestPort},
	{First: 20000, Last: 29999},
	{First: lowestPort, Last: highestPort},
}

// serviceNames are registered ports at or above 1024 that servers really
// listen on (IANA, Service Name and Transport Protocol Port Number Registry,
// and the products' own defaults). A data range never covers one, because the
// service may be installed tomorrow, and an open range would then expose it.
var serviceNames = map[uint16]string{
	1080:  "SOCKS",
	1433:  "Microsoft SQL Server",
	1521:  "Oracle Database",
	1723:  "PPTP",
	1883:  "MQTT",
	2049:  "NFS",
	2181:  "ZooKeeper",
	2375:  "Docker",
	2376:  "Docker over TLS",
	2379:  "etcd clients",
	2380:  "etcd peers",
	3000:  "Grafana",
	3128:  "Squid",
	3260:  "iSCSI",
	3306:  "MySQL",
	3389:  "Remote Desktop",
	4369:  "Erlang port mapper",
	5000:  "container registry",
	5060:  "SIP",
	5061:  "SIP over TLS",
	5222:  "XMPP clients",
	5432:  "PostgreSQL",
	5601:  "Kibana",
	5671:  "AMQP over TLS",
	5672:  "AMQP",
	5900:  "VNC",
	5985:  "WinRM",
	5986:  "WinRM over TLS",
	6379:  "Redis",
	6443:  "Kubernetes API",
	8000:  "HTTP, alternate",
	8080:  "HTTP, alternate",
	8086:  "InfluxDB",
	8443:  "HTTPS, alternate",
	8883:  "MQTT over TLS",
	9000:  "application servers",
	9090:  "Prometheus",
	9092:  "Kafka",
	9093:  "Alertmanager",
	9100:  "node exporter and raw printing",
	9200:  "Elasticsearch",
	9300:  "Elasticsearch nodes",
	9418:  "Git",
	10050: "Zabbix agent",
	10051: "Zabbix server",
	10250: "kubelet",
	11211: "memcached",
	15672: "RabbitMQ management",
	27017: "MongoDB",
	50000: "Db2",
}

var services = func() *portSet {
	set := &portSet{}
	for port := range serviceNames {
		set.add(spec.PortRange{First: port, Last: port})
	}
	return set
}()

// Services are the well-known ports above 1023 that no data range is placed on,
// ascending.
func Services() []uint16 { return slices.Sorted(maps.Keys(serviceNames)) }

// ServiceIn names the well-known service with the lowest port in r; "" if
// there is none.
func ServiceIn(r spec.PortRange) string {
	for port := int(r.First); port <= int(r.Last); port++ {
		if name, known := serviceNames[uint16(port)]; known {
			return fmt.Sprintf("port %d of a well-known service (%s)", port, name)
		}
	}
	return ""
}

// portSet is a set of ports as disjoint intervals in ascending order, no two
// of them adjacent. Ranges that were placed side by side merge, so the search
// for a gap stays short however many sites a host has.
type portSet []spec.PortRange

// add puts r, which must not be the zero value, into the set.
func (s *portSet) add(r spec.PortRange) {
	set := *s
	from := sort.Search(len(set), func(i int) bool { return int(set[i].Last)+1 >= int(r.First) })
	to := from
	for to < len(set) && int(set[to].First) <= int(r.Last)+1 {
		r.First = min(r.First, set[to].First)
		r.Last = max(r.Last, set[to].Last)
		to++
	}
	if from == to {
		set = append(set, spec.PortRange{})
		copy(set[from+1:], set[from:])
		set[from] = r
	} else {
		set[from] = r
		set = append(set[:from+1], set[to:]...)
	}
	*s = set
}

// lastIn returns the highest interval of the set that shares a port with r.
func (s portSet) lastIn(r spec.PortRange) (spec.PortRange, bool) {
	i := sort.Search(len(s), func(i int) bool { return s[i].First > r.Last }) - 1
	if i < 0 || s[i].Last < r.First {
		return spec.PortRange{}, false
	}
	return s[i], true
}

// free reports whether no set holds a port of r.
func free(r spec.PortRange, sets []*portSet) bool {
	for _, s := range sets {
		if _, taken := s.lastIn(r); taken {
			return false
		}
	}
	return true
}

// firstFit returns the lowest run of need ports within zone that no set holds.
func firstFit(zone spec.PortRange, need int, sets []*portSet) (spec.PortRange, bool) {
	first := int(zone.First)
search:
	for first+need-1 <= int(zone.Last) {
		r := spec.PortRange{First: uint16(first), Last: uint16(first + need - 1)}
		for _, s := range sets {
			// A run that starts at or below the end of the highest
			// interval in the way would still contain a part of it.
			if taken, ok := s.lastIn(r); ok {
				first = int(taken.Last) + 1
				continue search
			}
		}
		return r, true
	}
	return spec.PortRange{}, false
}

// largestGap returns the longest run of ports above the privileged ones that
// no set holds, the lowest of several; the zero value where all are taken.
func largestGap(sets []*portSet) spec.PortRange {
	var largest spec.PortRange
	rest := spec.PortRange{First: lowestPort, Last: highestPort}
	for {
		gap, ok := firstFit(rest, 1, sets)
		if !ok {
			return largest
		}
		gap.Last = highestPort
		for _, s := range sets {
			above := sort.Search(len(*s), func(i int) bool { return (*s)[i].First > gap.First })
			if above < len(*s) {
				gap.Last = min(gap.Last, (*s)[above].First-1)
			}
		}
		if gap.Count() > largest.Count() {
			largest = gap
		}
		if gap.Last == highestPort {
			return largest
		}
		rest.First = gap.Last + 1
	}
}
