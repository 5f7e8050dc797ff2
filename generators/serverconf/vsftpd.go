package serverconf

import "strings"

// maxVsftpdFile is how much of its config vsftpd reads, in bytes (3.0.3,
// VSFTP_CONF_FILE_MAX; measured): it ignores the rest without a word.
const maxVsftpdFile = 100_000

// readVsftpd reads vsftpd.conf(5): a directive a line, NAME=VALUE, with white
// space only before the name. A comment has its # in the first column.
func readVsftpd(c *Config, at int) error {
	c.readVsftpd(at, nil)
	for _, d := range lastOne(c, nil, "user_config_dir") {
		files, found := c.included(d)
		if d.Value != "" && !found {
			c.Unread = append(c.Unread, d)
		}
		for _, f := range files {
			if f == at {
				continue
			}
			c.readVsftpd(f, []Section{{Name: "user_config_dir", Args: d.Value, Line: d.Line}})
		}
	}
	return nil
}

func (c *Config) readVsftpd(at int, context []Section) {
	f := c.files[at]
	for i, raw := range f.lines {
		line := strings.TrimLeft(strings.TrimSuffix(string(raw), "\n"), space)
		if raw[0] == '#' || line == "" {
			continue
		}
		name, value, _ := strings.Cut(line, "=")
		c.Directives = append(c.Directives, Directive{
			File: f.name, Line: i + 1, Lines: 1, Context: context, Name: name, Value: strings.Trim(value, space), file: at, main: i + 1,
		})
	}
}

// space is what C's isspace takes for white space.
const space = " \t\n\v\f\r"
