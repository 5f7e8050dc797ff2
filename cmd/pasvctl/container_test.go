//go:build linux

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// containerCommands play Docker for scripts.
var containerCommands = map[string]func(){
	"docker-proxy": dockerProxy,
	"dockerd":      dockerd,
	"certificate":  certificate,
}

// dockerProxy relays one port in user space, as Docker's program of that name
// does, with its flags. It prints a line when it listens.
func dockerProxy() {
	flags := flag.NewFlagSet("docker-proxy", flag.ExitOnError)
	_ = flags.String("proto", "tcp", "")
	from, fromPort := flags.String("host-ip", "", ""), flags.String("host-port", "", "")
	to, toPort := flags.String("container-ip", "", ""), flags.String("container-port", "", "")
	must(flags.Parse(os.Args[1:]))
	l, err := net.Listen("tcp", net.JoinHostPort(*from, *fromPort))
	must(err)
	fmt.Println("listening")
	for {
		client, err := l.Accept()
		must(err)
		go func() {
			defer client.Close()
			server, err := net.Dial("tcp", net.JoinHostPort(*to, *toPort))
			if err != nil {
				return
			}
			defer server.Close()
			done := make(chan bool)
			pass := func(to, from net.Conn) {
				_, _ = io.Copy(to, from)
				_ = to.(*net.TCPConn).CloseWrite()
				done <- true
			}
			go pass(server, client)
			go pass(client, server)
			<-done
			<-done
		}()
	}
}

// published is one port of a service as Compose reads it.
type published struct {
	host            netip.Addr
	outside, inside uint16
}

// dockerd reads a Compose file: dockerd FILE SERVICE command prints the arguments
// of the container, a line each; dockerd FILE SERVICE proxies ADDR the arguments of
// docker-proxy for a container with that address; dockerd FILE SERVICE rules ADDR
// what Docker Engine 28 gives to iptables-restore for one on the bridge br0.
func dockerd() {
	text, err := os.ReadFile(os.Args[1])
	must(err)
	var file struct {
		Services map[string]struct {
			Command []string
			Ports   []yaml.Node
		}
	}
	must(yaml.Unmarshal(text, &file))
	service, has := file.Services[os.Args[2]]
	if !has {
		panic("no service " + os.Args[2])
	}
	switch os.Args[3] {
	case "command":
		fmt.Println(strings.Join(service.Command, "\n"))
	case "proxies":
		for _, p := range portsOf(service.Ports) {
			fmt.Printf("-proto tcp -host-ip %s -host-port %d -container-ip %s -container-port %d\n", p.host, p.outside, os.Args[4], p.inside)
		}
	case "rules":
		container := netip.MustParseAddr(os.Args[4])
		var dnat, accept strings.Builder
		for _, p := range portsOf(service.Ports) {
			if p.host.Is4() != container.Is4() {
				continue
			}
			to := netip.AddrPortFrom(container, p.inside)
			fmt.Fprintf(&dnat, "-A DOCKER -d %s ! -i br0 -p tcp -m tcp --dport %d -j DNAT --to-destination %s\n", p.host, p.outside, to)
			fmt.Fprintf(&accept, "-A DOCKER -d %s ! -i br0 -o br0 -p tcp -m tcp --dport %d -j ACCEPT\n", container, p.inside)
		}
		fmt.Printf(dockerRules, dnat.String(), accept.String(), container)
	}
}

const dockerRules = `*nat
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT -m addrtype --dst-type LOCAL -j DOCKER
%sCOMMIT
*filter
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:DOCKER-CT - [0:0]
:DOCKER-FORWARD - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-FORWARD
-A DOCKER-FORWARD -j DOCKER-CT
-A DOCKER-FORWARD -o br0 -j DOCKER
-A DOCKER-FORWARD -i br0 -j ACCEPT
-A DOCKER-CT -o br0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
%s-A DOCKER ! -i br0 -o br0 -j DROP
COMMIT
*raw
-A PREROUTING -d %s ! -i br0 -j DROP
COMMIT
`

// portsOf are a service's ports, one by one.
func portsOf(nodes []yaml.Node) (all []published) {
	for _, node := range nodes {
		var long struct {
			Target    uint16
			Published string
			HostIP    string `yaml:"host_ip"`
		}
		if node.Kind == yaml.MappingNode {
			must(node.Decode(&long))
			var outside uint16
			_, err := fmt.Sscan(long.Published, &outside)
			must(err)
			all = append(all, published{netip.MustParseAddr(long.HostIP), outside, long.Target})
			continue
		}
		short := strings.TrimSuffix(node.Value, "/tcp")
		parts := strings.Split(short[strings.LastIndexAny(short, ".]")+1:], ":")
		if len(parts) < 3 {
			parts = slices.Insert(parts, 0, "")
		}
		n := len(parts)
		address := strings.Trim(strings.TrimSuffix(short, ":"+parts[n-2]+":"+parts[n-1]), "[]")
		first, last := bounds(parts[n-2])
		to, _ := bounds(parts[n-1])
		for port := first; port <= last; port++ {
			all = append(all, published{netip.MustParseAddr(address), port, to + port - first})
		}
	}
	return all
}

func bounds(text string) (first, last uint16) {
	if _, err := fmt.Sscanf(text, "%d-%d", &first, &last); err != nil {
		_, err := fmt.Sscan(text, &first)
		must(err)
		last = first
	}
	return first, last
}

// certificate writes a self-signed certificate and its key to a folder.
func certificate() {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ftp"}, NotBefore: time.Unix(0, 0), NotAfter: time.Now().AddDate(1, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	must(err)
	must(os.WriteFile(filepath.Join(os.Args[1], "tls.crt"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644))
	must(os.WriteFile(filepath.Join(os.Args[1], "tls.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o644))
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
