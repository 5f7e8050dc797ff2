package doctor

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io/fs"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pasvctl/pasvctl/cmd/internal/kernel"
	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// timeWait is how long conntrack remembers a closed connection, seconds
// (nf_conntrack_tcp_timeout_time_wait's default).
const timeWait = 120

// connections is how many entries the plan's sites may need in the connection
// tracking table at once: a control and a data connection a session, and the
// data connections that ended within the last two minutes.
func connections(h *plan.Host) int {
	total := 0
	for _, s := range h.Sites {
		total += 2 * s.Sessions
		if t := s.Traffic; t != nil {
			total += int(t.Rate * t.PeakFactor * timeWait)
		}
	}
	return total
}

// conntrack compares the table's size with the plan. A full table drops new
// connections of everybody.
func (e *exam) conntrack() {
	const folder = "proc/sys/net/netfilter/"
	most, ok := e.number(folder + "nf_conntrack_max")
	if !ok {
		return // no connection tracking: nothing can be full
	}
	used, _ := e.number(folder + "nf_conntrack_count")
	needed := connections(e.host)
	if used+needed <= most {
		return
	}
	e.find(finding.Finding{
		Severity: finding.Error, Rule: finding.ConntrackFull,
		Detail: fmt.Sprintf("the connection tracking table holds %s entries, %s are in use, and the sites of this host need up to %s more",
			sizing.Count(most), sizing.Count(used), sizing.Count(needed)),
		Evidence: fmt.Sprintf("/%snf_conntrack_max: %d, nf_conntrack_count: %d", folder, most, used),
		Figures:  map[string]any{"entries_max": most, "entries_used": used, "entries_needed": needed},
		Remedy:   fmt.Sprintf("sysctl -w net.netfilter.nf_conntrack_max=%d  # and in /etc/sysctl.d", max(1024, 1<<bits.Len(uint(2*(used+needed)-1)))),
	})
}

// liberal looks at conntrack's judgement of sequence numbers, which the gates
// go by.
func (e *exam) liberal() {
	const name = "proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal"
	value, ok := e.number(name)
	if !ok || value == 0 || !slices.ContainsFunc(e.host.Sites, func(s *plan.Site) bool { return s.Gate }) {
		return
	}
	e.find(finding.Finding{
		Severity: finding.Warning, Rule: finding.ConntrackLiberal,
		Detail:   kernel.LiberalMeans,
		Evidence: fmt.Sprintf("/%s: %d", name, value),
		Remedy:   "sysctl -w net.netfilter.nf_conntrack_tcp_be_liberal=0  # and in /etc/sysctl.d",
	})
}

// loose looks at what conntrack makes of connections that it has not seen
// begin. With nf_conntrack_tcp_loose = 0 it calls them invalid, and a load of
// rules on a host that tracked nothing before cuts running transfers.
func (e *exam) loose() {
	const name = "proc/sys/net/netfilter/nf_conntrack_tcp_loose"
	if loose, ok := e.number(name); !ok || loose != 0 {
		return
	}
	f := finding.Finding{
		Severity: finding.Warning, Rule: finding.ConntrackStrict,
		Detail:   "the kernel does not track connections that it has not seen start: running transfers stop when rules are first loaded or conntrack is flushed",
		Evidence: fmt.Sprintf("/%s: 0", name),
		Remedy:   "sysctl -w net.netfilter.nf_conntrack_tcp_loose=1  # and in /etc/sysctl.d",
	}
	if tracked, _ := e.number("proc/sys/net/netfilter/nf_conntrack_count"); tracked > 0 {
		f.Severity = finding.Note // the connections that run are known
	}
	e.find(f)
}

func (e *exam) number(name string) (int, bool) {
	text, ok := e.read(name)
	n, err := strconv.Atoi(text)
	return n, ok && err == nil
}

// backlog looks at somaxconn, which caps the queue of connections that a
// server has not accepted yet: a login storm larger than it waits for SYN
// retransmissions.
func (e *exam) backlog() {
	const name = "proc/sys/net/core/somaxconn"
	limit, ok := e.number(name)
	if !ok {
		return
	}
	for _, s := range e.host.Sites {
		wanted := min(s.Sessions, 4096)
		if limit >= wanted {
			continue
		}
		e.find(finding.Finding{
			Severity: finding.Warning, Rule: finding.BacklogShort, Site: s.Name,
			Detail:   fmt.Sprintf("%s may connect at once, but the queue before accept is capped at %s", sizing.Plural(s.Sessions, "session"), sizing.Count(limit)),
			Evidence: fmt.Sprintf("/%s: %d", name, limit),
			Figures:  map[string]any{"queue_max_connections": limit, "sessions": s.Sessions},
			Remedy:   "sysctl -w net.core.somaxconn=4096  # and in /etc/sysctl.d",
		})
	}
}

// certificates looks at the files that the sites' TLS names: there, readable,
// and valid by this host's clock.
func (e *exam) certificates() {
	for _, s := range e.host.Sites {
		if s.TLS.Mode != spec.TLSOff && s.TLS.Certificate != "" {
			e.certificate(s)
		}
	}
}

// soon is how long before its end a certificate is worth a warning.
const soon = 14 * 24 * time.Hour

func (e *exam) certificate(s *plan.Site) {
	path := s.TLS.Certificate
	f := finding.Finding{Severity: finding.Error, Rule: finding.CertificateInvalid, Site: s.Name, Evidence: path}
	text, err := fs.ReadFile(e.Root, strings.TrimPrefix(path, "/"))
	if err != nil {
		f.Rule, f.Detail, f.Evidence = finding.CertificateUnreadable, "the certificate cannot be read", err.Error()
		f.Remedy = "ls -l " + path
		e.find(f)
		return
	}
	cert, err := firstCertificate(text)
	if err != nil {
		f.Rule, f.Detail, f.Evidence = finding.CertificateUnreadable, "the certificate is not one", path+": "+err.Error()
		f.Remedy = "openssl x509 -noout -text -in " + path
		e.find(f)
		return
	}
	now := e.Now()
	const layout = "2006-01-02 15:04 UTC"
	f.Evidence = fmt.Sprintf("%s is valid from %s to %s; this host's clock says %s",
		path, cert.NotBefore.UTC().Format(layout), cert.NotAfter.UTC().Format(layout), now.UTC().Format(layout))
	f.Figures = map[string]any{"until_start_seconds": seconds(cert.NotBefore.Sub(now)), "until_end_seconds": seconds(cert.NotAfter.Sub(now))}
	switch {
	case now.Before(cert.NotBefore):
		f.Detail, f.Remedy = "the certificate is not valid yet, or the clock is slow", "timedatectl"
	case now.After(cert.NotAfter):
		f.Detail, f.Remedy = "the certificate has expired, or the clock is fast", "timedatectl  # then renew "+path
	case now.Add(soon).After(cert.NotAfter):
		f.Severity, f.Rule = finding.Warning, finding.CertificateExpires
		f.Detail, f.Remedy = "the certificate expires within two weeks", "renew "+path
	default:
		return
	}
	e.find(f)
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }

func firstCertificate(text []byte) (*x509.Certificate, error) {
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			return nil, fmt.Errorf("no CERTIFICATE in PEM form")
		}
		if block.Type == "CERTIFICATE" {
			return x509.ParseCertificate(block.Bytes)
		}
		text = rest
	}
}

// selinux looks at the policy of an enforcing host: without the boolean
// ftpd_use_passive_mode, or a port type, it denies the daemons their range.
func (e *exam) selinux() {
	if mode, ok := e.read("sys/fs/selinux/enforce"); !ok || mode != "1" {
		return
	}
	const name = "sys/fs/selinux/booleans/ftpd_use_passive_mode"
	// "1 1": the value in force and the pending one.
	if state, ok := e.read(name); ok && !strings.HasPrefix(state, "1") {
		e.find(finding.Finding{
			Severity: finding.Error, Rule: finding.SELinuxDenies,
			Detail:   "SELinux is enforcing and denies FTP daemons passive ports above 1023",
			Evidence: fmt.Sprintf("/%s: %q", name, state),
			Remedy:   "setsebool -P ftpd_use_passive_mode on",
		})
	}
}
