package serverconf

import "strconv"

// Effective are the directives that a server goes by, of those with this name.
// host is the section of a <VirtualHost> of ProFTPD, nil for the main server.
// Several are those of a directive whose lines add up, like TLSOptions.
func (c *Config) Effective(host *Section, name string) []Directive {
	return c.format.effective(c, host, name)
}

// VirtualHosts are the heads of the <VirtualHost>s of ProFTPD that have a
// directive, and their files.
func (c *Config) VirtualHosts() (heads []Section, files []string) {
	heads, _ = c.virtualHosts()
	for _, h := range heads {
		files = append(files, c.files[h.file].name)
	}
	return heads, files
}

// Words are the arguments of a directive, with quotes as ProFTPD reads them.
func (d Directive) Words() []string { return words(d.Value) }

// Word is an argument of a directive, "" if it has fewer.
func (d Directive) Word(at int) string { return word(d.Value, at) }

// Yes reports whether a flag is on.
func (d Directive) Yes() bool { return yes(d.Value) }

// Seconds is a time that ProFTPD reads, in seconds.
func (d Directive) Seconds() (int, error) { return strconv.Atoi(proftpdSeconds(d.Value)) }
