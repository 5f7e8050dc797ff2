package inventory

import (
	"errors"
	"net/netip"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/pasvctl/pasvctl/generators/serverconf"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// config reads the directives of one server of a config.
type config struct {
	*serverconf.Config
	in   *input
	host *serverconf.Section // of a <VirtualHost>; nil: the main server
	// place is where a directive is.
	place func(d serverconf.Directive) At
}

// place is where a directive of the file, or of one that it includes, is.
func (in *input) place(d serverconf.Directive) At {
	return in.in(path.Join(path.Dir(in.source.Name), d.File), d.Line)
}

// config reads the file and those that it includes.
func (in *input) config(server string) (config, *spec.Base, error) {
	base := in.base()
	if len(in.text) > spec.MaxBase {
		return config{}, nil, errors.New(in.at(0).String() + ": it is longer than a server's config")
	}
	if err := serverconf.Include(in.source.FS, server, base); err != nil {
		return config{}, nil, in.located(err)
	}
	c, err := serverconf.Read(server, base)
	if err != nil {
		return config{}, nil, in.located(err)
	}
	for _, f := range base.Files {
		name := path.Join(path.Dir(in.source.Name), f.Name)
		in.read[name] = true
		in.secrets(name, f.Text)
	}
	for _, d := range c.Unread {
		in.unread(in.place(d), d.Name, "no file that it names is beside the config")
	}
	return config{Config: c, in: in, place: in.place}, base, nil
}

// located puts the folder before the file of an error of package serverconf.
func (in *input) located(err error) error {
	if of, ok := errors.AsType[*serverconf.Error](err); ok {
		of.File = in.in(path.Join(path.Dir(in.source.Name), of.File), 0).File
	}
	return err
}

// one is the directive that a server goes by; ok is false if it has none.
func (c config) one(name string) (d serverconf.Directive, ok bool) {
	if all := c.Effective(c.host, name); len(all) > 0 {
		return all[0], true
	}
	return d, false
}

// set reads a value from the first of the names that is there.
func set[T any](c config, into *Setting[T], value func(d serverconf.Directive) (T, error), names ...string) {
	for _, name := range names {
		d, ok := c.one(name)
		if !ok {
			continue
		}
		v, err := value(d)
		if err != nil {
			c.in.unread(c.place(d), d.Name, "%s", err)
			return
		}
		*into = Setting[T]{v, c.place(d)}
		return
	}
}

func on(d serverconf.Directive) (bool, error) { return d.Yes(), nil }

func off(d serverconf.Directive) (bool, error) { return !d.Yes(), nil }

func text(d serverconf.Directive) (string, error) { return d.Word(0), nil }

// limit is a cap, of which 0 and none are no cap.
func limit(d serverconf.Directive) (int, error) {
	if strings.EqualFold(d.Word(0), "none") {
		return 0, nil
	}
	return number(d.Word(0), 1<<31-1)
}

func port(d serverconf.Directive) (uint16, error) {
	n, err := number(d.Word(0), 65535)
	return uint16(n), err
}

// seconds is a time in seconds, of which 0 is none.
func seconds(d serverconf.Directive) (time.Duration, error) {
	n, err := d.Seconds()
	if err != nil || n < 0 {
		return 0, errors.New("its value is not a time")
	}
	return time.Duration(n) * time.Second, nil
}

func number(text string, most int) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > most {
		return 0, errors.New("its value is not a number from 0 to " + strconv.Itoa(most))
	}
	return n, nil
}

// ports is a range of which both ends are stated.
func ports(first, last string) (spec.PortRange, error) {
	r, ok := spec.ParsePortRange(first + "-" + last)
	if !ok || r.First == 0 {
		return r, errors.New("its value is not a range of ports, the first before the last")
	}
	return r, nil
}

// addresses are those that a server listens on; an unspecified one is all.
func addresses(d serverconf.Directive) ([]netip.Addr, error) { return addressList(d.Words()) }

func addressList(words []string) ([]netip.Addr, error) {
	var all []netip.Addr
	for _, w := range words {
		a, err := netip.ParseAddr(w)
		if err != nil || a.Zone() != "" {
			return nil, errors.New("it names a host or an interface, not an IP address")
		}
		if a.IsUnspecified() {
			return nil, nil
		}
		all = append(all, a.Unmap())
	}
	return all, nil
}

// mode is the TLS of a server.
func mode(on, implicit bool) spec.TLSMode {
	switch {
	case !on:
		return spec.TLSOff
	case implicit:
		return spec.TLSImplicit
	}
	return spec.TLSExplicit
}
