package generators

import (
	"fmt"
	"strings"
	"testing"
)

// What a cluster or a balancer does not take is said where it is written.
func TestKubernetesDiagnostics(t *testing.T) {
	// annotated are so many annotations of 1,000 bytes, which kubectl copies.
	annotated := func(n int) string {
		return fmt.Sprintf(`annotations = { for i in range(%d) : "a${i}" => join("", [for j in range(100) : "xxxxxxxxxx"]) }`, n)
	}
	many := "sessions = 20\n sessions_per_address = 20"
	for _, c := range []struct{ server, site, concurrency, settings, want string }{
		{"embedded", secured, "sessions = 4000", "", ""},
		{"embedded", `data_ports = "20000-20048"`, few, `balancer = "aws"`, ""},
		{"embedded", `data_ports = "20000-20049"`, few, `balancer = "aws"`, `error x.pasv.hcl:6 More than the platform takes: The Service of site "downloads" has 51 ports, and a Network Load Balancer of AWS has at most 50 listeners.`},
		{"embedded", `data_ports = "20000-20049"`, few, ``, `warning x.pasv.hcl:6 More than the platform takes: Name the balancer in target "kubernetes", or balancer = "other".`},
		{"embedded", `data_ports = "20000-20049"`, few, `balancer = "other"`, ""},
		{"embedded", `data_ports = "20000-20299"`, few, `balancer = "azure"`, `error x.pasv.hcl:6 More than the platform takes: has 301 ports, and Azure has at most 300 load balancing rules`},
		{"embedded", ``, few, `balancer = "gcp"`, `warning x.pasv.hcl:8 More than the platform takes: names at most 5: the balancer then forwards all ports from the lowest to the highest.`},
		{"embedded", secured, few, `balancer = "gcp"`, ""},
		{"embedded", `data_ports = "20000-22767"`, few, `balancer = "other"`, `error x.pasv.hcl:6 More than the platform takes: takes a node port for each, of which a cluster has 2,768.`},
		{"embedded", `data_ports = "20000-22767"`, few, `expose = "host_network"`, ""},
		{"embedded", ``, few, annotated(130), `error x.pasv.hcl:13 More than the platform takes: more than the 262,144 that an object takes.`},
		{"embedded", ``, few, annotated(120), ``},
		{"embedded", ``, few, `replicas = 2`, `error x.pasv.hcl:13 Several pods behind one Service: a Service keeps a client's affinity for each of its ports, so a data connection may go to another pod`},
		{"embedded", ``, few, `namespace = "FTP"`, `error x.pasv.hcl:13 Invalid setting of a target: namespace is "FTP".`},
		{"embedded", ``, few, `storage = "10 GB"`, `error x.pasv.hcl:13 Invalid setting of a target: storage is "10 GB".`},
		{"embedded", ``, few, `annotations = { "a b" = "c" }`, `error x.pasv.hcl:13 Invalid setting of a target: "a b" is not the key of an annotation`},
		{"embedded", ``, few, `nodes = { edge2 = "n" }`, `error x.pasv.hcl:13 Invalid setting of a target: nodes names host "edge2", which has no sites here.`},
		{"embedded", ``, few, `nodes = { edge1 = "n/1" }`, `error x.pasv.hcl:13 Invalid setting of a target: "n/1" is not the name of a node`},
		{"embedded", ``, few, `selectors = { uploads = ["a=b"] }`, `error x.pasv.hcl:13 Invalid setting of a target: selectors names site "uploads"`},
		{"embedded", ``, few, `selectors = { downloads = ["a"] }`, `error x.pasv.hcl:13 Invalid setting of a target: "a" is not a label`},
		{"embedded", ``, few, `selectors = { downloads = ["a=b", "a=c"] }`, `error x.pasv.hcl:13 Invalid setting of a target: "a=c" is not a label, such as "app.kubernetes.io/name=sftpgo", or its key is there twice.`},
		{"embedded", ``, few, `selectors = { downloads = [] }`, `error x.pasv.hcl:13 Invalid setting of a target: would select no pod`},
		{"embedded", ``, few, `expose = "node_port"`, `error x.pasv.hcl:5 Not a node port: Write port = 30021, which clients then connect to`},
		{"embedded", `data_ports = "20000-20099"`, few, `expose = "node_port"`, `error x.pasv.hcl:5 Not a node port: `},
		{"embedded", strings.ReplaceAll(secured, "a.key\"", "x\\u0000.key\""), many, ``, `error x.pasv.hcl:9 `},
	} {
		text := containerSpec(c.server, v4, c.site, c.concurrency, "target \"kubernetes\" {\n "+c.settings+"\n}\n")
		if c.site == `data_ports = "20000-20099"` {
			text = strings.Replace(text, "port   = 21", "port   = 30021", 1)
			c.want = `error x.pasv.hcl:6 Not a node port: pins 20000-20099, and node ports are within 30000-32767. Remove data_ports`
		}
		diagnosed(t, text, c.want)
	}
}

// With node ports the data ranges of all hosts are in the cluster's range, each port
// once, whatever the lock says of before.
func TestNodePortPlacement(t *testing.T) {
	text := ""
	for i := range 3 {
		text += fmt.Sprintf(`
host "node%d" { addresses = ["203.0.113.%d"] }
site "site%d" {
  host   = "node%d"
  server = "vsftpd"
  port   = %d
  concurrency { sessions = 100 }
}
`, i, i+1, i, i, 30000+i)
	}
	const lock = "site \"site1\" {\n host = \"node1\"\n data_ports = \"61000-61999\"\n ports = 1000\n}\n"
	p, diags := loadText("x.pasv.hcl", text+"target \"kubernetes\" {\n expose = \"node_port\"\n balancer = \"other\"\n}\n", "pasvctl.lock.hcl", lock)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	taken := map[int]string{30000: "control", 30001: "control", 30002: "control"}
	for _, s := range p.Plan.Sites {
		for port := int(s.DataPorts.First); port <= int(s.DataPorts.Last); port++ {
			if taken[port] != "" || !nodePorts.Contains(uint16(port)) {
				t.Fatalf("%s has port %d, and so has %s", s.Name, port, taken[port])
			}
			taken[port] = s.Name
		}
	}
	if len(p.Moves) != 3 || !strings.Contains(p.Moves[1].Why, "61000-61999 is not within 30000-32767, which a target needs.") {
		t.Errorf("%v", p.Moves)
	}
	_, diags = loadText("x.pasv.hcl", strings.Replace(text, "sessions = 100", "sessions = 1000", 1)+"target \"kubernetes\" {\n expose = \"node_port\"\n}\n")
	if got := diags.Error(); !strings.Contains(got, "within 30000-32767, which a target needs") {
		t.Error(got)
	}
	p, diags = loadText("x.pasv.hcl", text+"target \"kubernetes\" {}\n")
	if diags.HasErrors() || p.Plan.Sites[0].DataPorts.First != 61000 || p.Plan.Sites[1].DataPorts.First != 61000 {
		t.Errorf("%v %v", diags, p.Plan.Sites[0].DataPorts)
	}
}
