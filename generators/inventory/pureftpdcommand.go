package inventory

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
)

// readPureftpdCommand reads the command that starts Pure-FTPd: of a text the
// first one, and what continues its line.
func readPureftpdCommand(in *input) error {
	from := pureftpdCommand.FindIndex(in.text)[0]
	line := 1 + bytes.Count(in.text[:from], []byte("\n"))
	command, rest, more := strings.Cut(string(in.text[from:]), "\n")
	for more && strings.HasSuffix(command, `\`) {
		var next string
		next, rest, more = strings.Cut(rest, "\n")
		command = strings.TrimSuffix(command, `\`) + " " + next
	}
	words := shellWords(command)
	start := slices.IndexFunc(words, func(w string) bool { return pureftpdProgram.MatchString(w) })
	all := (&pureftpdOptions{in: in, line: line}).read(words[start+1:])
	return all.read(in)
}

var pureftpdProgram = regexp.MustCompile(`(?:^|[/=])pure-ftpd(?:-[a-z]+)?$`)

// shellWords splits a command at white space, and takes off quotes.
func shellWords(command string) []string {
	var all []string
	var word strings.Builder
	open, quote := false, byte(0)
	for i := 0; i < len(command); i++ {
		switch c := command[i]; {
		case quote == 0 && (c == '"' || c == '\''):
			quote, open = c, true
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == ' ' || c == '\t' || c == '\r' || c == '\n'):
			if open || word.Len() > 0 {
				all = append(all, word.String())
			}
			word.Reset()
			open = false
		default:
			word.WriteByte(c)
		}
	}
	if open || word.Len() > 0 {
		all = append(all, word.String())
	}
	return all
}

// pureftpdOptions reads options as getopt_long does.
type pureftpdOptions struct {
	in   *input
	line int
	all  settings
}

func (o *pureftpdOptions) read(words []string) settings {
	for len(words) > 0 {
		word := words[0]
		words = words[1:]
		switch {
		case word == "&" || word == ";" || word == "&&" || word == "||" || word == "|":
			return o.all
		case strings.HasPrefix(word, "--"):
			words = o.long(word[2:], words)
		case strings.HasPrefix(word, "-") && len(word) > 1:
			words = o.short(word[1:], words)
		default:
			o.in.unread(o.in.at(o.line), "the command", "it has a word that is no option")
		}
	}
	return o.all
}

// short reads a word of letters, of which the first that takes a value ends it.
func (o *pureftpdOptions) short(letters string, rest []string) []string {
	for i := range len(letters) {
		letter := letters[i : i+1]
		if !takesValue(letter) {
			o.add(letter, "yes")
			continue
		}
		if value := letters[i+1:]; value != "" {
			o.add(letter, value)
			return rest
		}
		if len(rest) > 0 {
			o.add(letter, rest[0])
			return rest[1:]
		}
	}
	return rest
}

func (o *pureftpdOptions) long(name string, rest []string) []string {
	name, value, has := strings.Cut(name, "=")
	letter, known := pureftpdLong[name]
	for _, s := range pureftpdSettings {
		if strings.ToLower(s.name) == name {
			letter, known = s.letter, true
		}
	}
	switch {
	case !known:
		o.in.unread(o.in.at(o.line), "--"+name, "it is not an option of Pure-FTPd 1.0.50")
	case !takesValue(letter):
		o.add(letter, "yes")
	case has:
		o.add(letter, value)
	case len(rest) > 0:
		o.add(letter, rest[0])
		return rest[1:]
	}
	return rest
}

func takesValue(letter string) bool {
	for _, s := range pureftpdSettings {
		if s.letter == letter {
			return s.takes
		}
	}
	return strings.Contains(pureftpdOther, letter)
}

// add is the setting that an option is.
func (o *pureftpdOptions) add(letter, value string) {
	for _, s := range pureftpdSettings {
		if s.letter != letter {
			continue
		}
		if slices.Contains([]string{"L", "n", "p", "q", "Q", "U", "y"}, letter) {
			value = strings.Replace(value, ":", " ", 1)
		}
		o.all = append(o.all, oneSetting{s.name, value, o.line})
		return
	}
	if letter == "l" {
		o.login(value)
		return
	}
	o.in.unread(o.in.at(o.line), "-"+letter, "no setting of pure-ftpd-wrapper is like it")
}

// login is the setting of a way to log in.
func (o *pureftpdOptions) login(value string) {
	kind, file, _ := strings.Cut(value, ":")
	name := map[string]string{"unix": "UnixAuthentication", "pam": "PAMAuthentication", "puredb": "PureDB", "ldap": "LDAPConfigFile", "mysql": "MySQLConfigFile", "pgsql": "PGSQLConfigFile", "extauth": "ExtAuth"}[kind]
	if name == "" {
		o.in.unread(o.in.at(o.line), "-l", "it is not a way to log in that pure-ftpd-wrapper knows")
		return
	}
	if file == "" {
		file = "yes"
	}
	o.all = append(o.all, oneSetting{name, file, o.line})
}
