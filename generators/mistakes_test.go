package generators

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/hashicorp/hcl/v2"
)

// sound is the spec that each mistake is made in.
const sound = `host "edge1" {
  addresses = ["192.0.2.10"]
}

site "files" {
  host   = "edge1"
  server = "vsftpd"
  port   = 21

  concurrency {
    sessions             = 100
    sessions_per_address = 10
  }
}
`

// edit replaces a text of a spec by another.
type edit struct {
	old, new string
	said     string // by the diagnostic, where it does not say new itself
}

// mistake is a spec with mistakes, the errors that it must have, one for each
// mistake, and the remedies that they name.
type mistake struct {
	edits  []edit
	want   []string // "x.pasv.hcl:7 Unknown server"
	remedy []edit   // as the details word it; the spec is valid after all of them
	next   *mistake // what is left to mend then; its edits are none
}

func in(line, summary string) []string { return []string{"x.pasv.hcl:" + line + " " + summary} }

func change(old, new string) []edit { return []edit{{old: old, new: new}} }

func inSite(lines string) []edit {
	return change("\n  concurrency {", lines+"\n  concurrency {")
}

const concurrency = `
  concurrency {
    sessions             = 100
    sessions_per_address = 10
  }
`

const files = "site \"files\" {" // its header

const aSite = `
site "downloads" {
  host   = "edge1"
  server = "vsftpd"
  port   = 21

  concurrency {
    sessions = 100
  }
}`

var second = sound[strings.Index(sound, files):]

var mistakes = map[string]mistake{
	"a block misspelt":      {change("site ", "sitte "), in("5", "unsupported-argument"), change(`sitte `, `site `), nil},
	"a host block misspelt": {change("host \"edge1\"", "hots \"edge1\""), in("1", "unsupported-argument"), change("hots", "host"), nil},
	"a host without a name": {change("host \"edge1\"", "host"), in("1", "missing-argument"), change("host {", "host \"edge1\" {"), nil},
	"a host with two names": {change("host \"edge1\"", "host \"edge1\" \"a\""), in("1", "unsupported-argument"), []edit{{" \"a\"", "", "Remove the others"}}, nil},
	"a file without quotes": {change("\"vsftpd\"", "\"vsftpd\"\n  base_config = vsftpd.conf"), in("8", "unknown-reference"),
		change("= vsftpd.conf", `= "vsftpd.conf"`), &mistake{nil, in("8", "base-config-unreadable"), []edit{{"base_config = \"vsftpd.conf\"", "", "there is no file"}}, nil}},
	"networks in one text":       {inSite("  clients = \"10.0.0.0/8, 192.0.2.0/24\"\n"), in("9", "wrong-type"), change(`"10.0.0.0/8, 192.0.2.0/24"`, `["10.0.0.0/8", "192.0.2.0/24"]`), nil},
	"a brace behind an argument": {change("= 10\n  }", "= 10 }"), in("12", "invalid-syntax"), change("sessions_per_address = 10 }", "sessions_per_address = 10\n}"), nil},
	"an argument misspelt":       {change("sessions  ", "sesions  "), in("11", "unsupported-argument"), change("sesions", "sessions"), nil},
	"a required block misspelt": {change("concurrency", "concurency"), in("10", "unsupported-argument"),
		change("concurency", "concurrency"), nil},
	"a server misspelt":       {change("vsftpd", "vsftp"), in("7", "unknown-server"), change(`"vsftp"`, `"vsftpd"`), nil},
	"a server by its title":   {change("vsftpd", "Pure-FTPd"), in("7", "unknown-server"), change(`"Pure-FTPd"`, `"pureftpd"`), nil},
	"a server in capitals":    {change("vsftpd", "VSFTPD"), in("7", "unknown-server"), change(`"VSFTPD"`, `"vsftpd"`), nil},
	"a host that is not":      {change(`= "edge1"`, `= "x"`), in("6", "unknown-host"), change(`= "x"`, `= "edge1"`), nil},
	"no host":                 {change("  host   = \"edge1\"\n", ""), in("5", "missing-argument"), change(files, files+"\n  host = \"edge1\""), nil},
	"no server":               {change("  server = \"vsftpd\"\n", ""), in("5", "missing-argument"), change(files, files+"\n  server = \"vsftpd\""), nil},
	"no port":                 {change("  port   = 21\n", ""), in("5", "missing-argument"), change(files, files+"\n  port = 21"), nil},
	"no concurrency":          {change(concurrency, ""), in("5", "missing-argument"), change("21", "21\n  concurrency { sessions = 100 }"), nil},
	"a string for a number":   {change("= 100", `= "hundred"`), in("11", "wrong-type"), change(`"hundred"`, "400"), nil},
	"a string for a list":     {change(`["192.0.2.10"]`, `"192.0.2.10"`), in("2", "wrong-type"), change(`"192.0.2.10"`, `["192.0.2.10"]`), nil},
	"a network for a list":    {inSite("  clients = \"10.0.0.0/8\"\n"), in("9", "wrong-type"), change(`"10.0.0.0/8"`, `["10.0.0.0/8"]`), nil},
	"host bits":               {inSite("  clients = [\"10.0.0.1/8\"]\n"), in("9", "invalid-network"), change(`"10.0.0.1/8"`, `"10.0.0.0/8"`), nil},
	"a prefix too long":       {inSite("  clients = [\"10.0.0.0/33\"]\n"), in("9", "invalid-network"), change(`"10.0.0.0/33"`, `"10.0.0.0/24"`), nil},
	"a netmask":               {inSite("  clients = [\"10.0.0.0/255.0.0.0\"]\n"), in("9", "invalid-network"), change(`"10.0.0.0/255.0.0.0"`, `"10.0.0.0/8"`), nil},
	"a netmask after a space": {inSite("  clients = [\"10.1.0.0 255.255.0.0\"]\n"), in("9", "invalid-network"), change(`"10.1.0.0 255.255.0.0"`, `"10.1.0.0/16"`), nil},
	"a wildcard mask":         {inSite("  clients = [\"10.1.0.0 0.0.255.255\"]\n"), in("9", "invalid-network"), change(`"10.1.0.0 0.0.255.255"`, `"10.1.0.0/16"`), nil},
	"a range reversed":        {inSite("  data_ports = \"41000-40000\"\n"), in("9", "invalid-port-range"), change(`"41000-40000"`, `"40000-41000"`), nil},
	"a range with a colon":    {inSite("  data_ports = \"40000:41000\"\n"), in("9", "invalid-port-range"), change(`"40000:41000"`, `"40000-41000"`), nil},
	"a list for a range":      {inSite("  data_ports = [40000, 41000]\n"), in("9", "wrong-type"), change("[40000, 41000]", `"40000-41000"`), nil},
	"a range without quotes":  {inSite("  data_ports = 40000-41000\n"), in("9", "invalid-port-range"), change("40000-41000", `"40000-41000"`), nil},
	"a range beyond the last port": {inSite("  data_ports = \"65000-66000\"\n"), in("9", "port-out-of-range"),
		change(`"65000-66000"`, `"65000-65535"`), nil},
	"port 0":     {change("= 21", "= 0"), in("8", "value-out-of-range"), change("= 0", "= 21"), nil},
	"port 99999": {change("= 21", "= 99999"), in("8", "value-out-of-range"), change("= 99999", "= 21"), nil},
	"the control port among the data ports": {append(inSite("  data_ports = \"2000-3000\"\n"), edit{"= 21", "= 2121", ""}),
		in("9", "ports-overlap"), []edit{{"  data_ports = \"2000-3000\"\n", "", "remove data_ports"}}, nil},
	"sessions below zero":    {change("= 100", "= -5"), in("11", "value-out-of-range"), change("= -5", "= 100"), nil},
	"a fraction of sessions": {change("= 100", "= 10.5"), in("11", "value-out-of-range"), change("= 10.5", "= 11"), nil},
	"sessions beyond bounds": {change("= 100", "= 100000000"), in("11", "value-out-of-range"), change("= 100000000", "= 100"), nil},
	"more sessions per address than sessions": {change("= 10\n", "= 200\n"), in("12", "conflicting-values"),
		change("= 200", "= 100"), nil},
	"durations without unit": {inSite("  traffic {\n    transfers_per_second = 5\n    connect_time = 150\n    transfer_time = \"2\"\n  }\n"),
		append(in("11", "invalid-duration"), in("12", "invalid-duration")...),
		append(change("= 150", `= "150ms"`), change(`"2"`, `"2s"`)...), nil},
	"durations with words": {inSite("  traffic {\n    transfers_per_second = 5\n    connect_time = \"150 ms\"\n    transfer_time = \"4 sec\"\n  }\n"),
		append(in("11", "invalid-duration"), in("12", "invalid-duration")...),
		append(change(`"150 ms"`, `"150ms"`), change(`"4 sec"`, `"4s"`)...), nil},
	"a type that is not HCL's": {change(sound, "variable \"n\" {\n  type    = int\n  default = 1\n}\n"+sound), in("2", "invalid-expression"), []edit{{"= int", "= number", "number"}}, nil},
	"a target twice":           {change(sound, sound+"target \"nftables\" {}\ntarget \"nftables\" {}\n"), in("16", "file-conflict"), []edit{{"target \"nftables\" {}\ntarget", "target", "Remove one of them"}}, nil},
	"a duration in days":       {inSite("  idle_timeout = \"1d\"\n"), in("9", "invalid-duration"), change(`"1d"`, `"24h"`), nil},
	"a duration without quotes": {inSite("  traffic {\n    transfers_per_second = 5\n    connect_time = 150ms\n  }\n"),
		in("11", "invalid-syntax"), change("150ms", `"150ms"`), nil},
	"percent in quotes":    {inSite("  objective {\n    refused = \"1%\"\n  }\n"), in("10", "wrong-type"), change(`"1%"`, "0.01"), nil},
	"percent":              {inSite("  objective {\n    refused = 0.5 %\n  }\n"), in("10", "invalid-syntax"), change("0.5 %", "0.005"), nil},
	"a share above one":    {inSite("  objective {\n    refused = 5\n  }\n"), in("10", "value-out-of-range"), change("= 5", "= 0.05"), nil},
	"abandoned in percent": {inSite("  traffic {\n    transfers_per_second = 5\n    abandoned = 5\n  }\n"), in("11", "value-out-of-range"), []edit{{"= 5\n  }", "= 0.05\n  }", "Write 0.05"}}, nil},
	"a site twice":         {change(sound, sound+second), in("15", "duplicate-name"), []edit{{second + second, second, "Remove one of them"}}, nil},
	"an argument twice":    {change("= 21\n", "= 21\n  port   = 22\n"), in("9", "duplicate-argument"), []edit{{"  port   = 22\n", "", "Remove one of them"}}, nil},
	"a block twice":        {inSite("\n  concurrency {\n    sessions = 5\n  }\n"), in("14", "duplicate-argument"), []edit{{"\n  concurrency {\n    sessions = 5\n  }\n", "", "remove the other"}}, nil},
	"a brace that is open": {change("  }\n}\n", "  }\n"), in("5", "invalid-syntax"), []edit{{"  }\n", "  }\n}", "Add a }"}}, nil},
	"two braces that are open": {change("  }\n}\n", ""), in("10", "invalid-syntax"), []edit{{"= 10\n", "= 10\n  }\n", "Add a }"}},
		&mistake{nil, in("5", "invalid-syntax"), []edit{{"  }\n", "  }\n}\n", "Add a }"}}, nil}},
	"a colon for =":                           {change("sessions             = 100", "sessions: 100"), in("11", "invalid-syntax"), change("sessions: 100", "sessions = 100"), nil},
	"an argument without =":                   {change("port   = 21", "port 21"), in("8", "invalid-syntax"), change("port 21", "port = 21"), nil},
	"a number in base 16":                     {change("= 21", "= 0x15"), in("8", "invalid-syntax"), change("= 0x15", "= 21"), nil},
	"a comment without an end":                {change(sound, sound+"\n/* more"), in("16", "invalid-syntax"), []edit{{"/* more", "/* more */", "has no end. Add a */"}}, nil},
	"a comment without an end behind a value": {change("= 21", "= 21 /* control"), in("8", "invalid-syntax"), []edit{{"/* control", "/* control */", "has no end. Add a */"}}, nil},
	"minus a text":                            {change("= 100", `= -"x"`), in("11", "invalid-expression"), []edit{{`-"x"`, "100", "Write a number"}}, nil},
	"not a text":                              {inSite("  gate = !\"x\"\n"), in("9", "invalid-expression"), []edit{{`!"x"`, "true", "Write true or false"}}, nil},
	"a resource as in Terraform":              {change("host \"edge1\" {", "resource \"host\" \"edge1\" {"), in("1", "unsupported-argument"), change("resource \"host\" \"edge1\" {", "host \"edge1\" {"), nil},
	"a resource without a name":               {change("host \"edge1\" {", "resource \"host\" {"), in("1", "unsupported-argument"), change("resource \"host\" {", "host \"edge1\" {"), nil},
	"a word without quotes":                   {change(`"vsftpd"`, "vsftpd"), in("7", "unknown-reference"), change("= vsftpd", `= "vsftpd"`), nil},
	"yes":                                     {inSite("  gate = yes\n"), in("9", "unknown-reference"), change("= yes", "= true"), nil},
	"an address without quotes": {change(`["192.0.2.10"]`, "[192.0.2.10]"), in("2", "invalid-syntax"),
		change("192.0.2.10", `"192.0.2.10"`), nil},
	"a network without quotes": {inSite("  clients = [2001:db8::/32, \"10.0.0.0/8\"]\n"), in("9", "invalid-syntax"),
		change("2001:db8::/32", `"2001:db8::/32"`), nil},
	"a path without quotes": {inSite("  tls {\n    certificate = /c.pem\n    key = \"/k.pem\"\n  }\n"), in("10", "invalid-syntax"),
		change("= /c.pem", `= "/c.pem"`), nil},
	"single quotes": {change(`"vsftpd"`, "'vsftpd'"), in("7", "invalid-syntax"), change("'vsftpd'", `"vsftpd"`), nil},
	"curly quotes":  {change(`"vsftpd"`, "\u201cvsftpd\u201d"), in("7", "invalid-syntax"), change("\u201cvsftpd\u201d", `"vsftpd"`), nil},
	"curly quotes of a list": {change(`["192.0.2.10"]`, "[\u201c192.0.2.10\u201d, \u201c192.0.2.11\u201d]"), in("2", "invalid-syntax"),
		append(change("\u201c192.0.2.10\u201d", `"192.0.2.10"`), change("\u201c192.0.2.11\u201d", `"192.0.2.11"`)...), nil},
	"low quotes":           {change(`"vsftpd"`, "\u201evsftpd\u201c"), in("7", "invalid-syntax"), change("\u201evsftpd\u201c", `"vsftpd"`), nil},
	"backticks":            {change(`"vsftpd"`, "`vsftpd`"), in("7", "invalid-syntax"), change("`vsftpd`", `"vsftpd"`), nil},
	"a quote that is open": {change(`"vsftpd"`, `"vsftpd`), in("7", "invalid-syntax"), change(`"vsftpd`, `"vsftpd"`), nil},
	"Windows paths": {inSite("  tls {\n    certificate = \"C:\\ftp\\cert.pem\"\n    key = \"C:\\ftp\\key.pem\"\n  }\n"),
		append(in("10", "invalid-syntax"), in("11", "invalid-syntax")...),
		append(change(`"C:\ftp\cert.pem"`, `"/ftp/cert.pem"`), change(`"C:\ftp\key.pem"`, `"/ftp/key.pem"`)...), nil},
	"Windows paths with slashes": {inSite("  tls {\n    certificate = \"C:/ftp/cert.pem\"\n    key = \"/ftp/key.pem\"\n  }\n"),
		in("10", "invalid-path"), change(`"C:/ftp/cert.pem"`, `"/ftp/cert.pem"`), nil},
	"relative paths": {inSite("  tls {\n    certificate = \"cert.pem\"\n    key = \"key.pem\"\n  }\n"),
		append(in("10", "invalid-path"), in("11", "invalid-path")...),
		append(change(`"cert.pem"`, `"/etc/ssl/certs/ftp.pem"`), change(`"key.pem"`, `"/etc/ssl/private/ftp.key"`)...), nil},
	"a name with a diaeresis": {change(`"files"`, `"büro"`), in("5", "invalid-name"), change(`"büro"`, `"buro"`), nil},
	"a name with a space":     {change(`"files"`, `"my site"`), in("5", "invalid-name"), change(`"my site"`, `"my-site"`), nil},
	"a name in capitals":      {change(`"files"`, `"Office_1"`), in("5", "invalid-name"), change(`"Office_1"`, `"office-1"`), nil},
	"a host name for an address": {change("192.0.2.10", "ftp.example.com"), in("2", "invalid-address"),
		change(`"ftp.example.com"`, `"203.0.113.10"`), nil},
	"a network for an address":  {change("192.0.2.10", "192.0.2.10/24"), in("2", "invalid-address"), change(`"192.0.2.10/24"`, `"192.0.2.10"`), nil},
	"an address with its port":  {change("192.0.2.10", "192.0.2.10:21"), in("2", "invalid-address"), change(`"192.0.2.10:21"`, `"192.0.2.10"`), nil},
	"an announced short name":   {inSite("  announce = \"ftp\"\n"), in("9", "invalid-address"), change(`"ftp"`, `"ftp.example.com"`), nil},
	"an announced IPv6 address": {inSite("  announce = \"2001:db8::1\"\n"), in("9", "announce-invalid"), []edit{{"  announce = \"2001:db8::1\"\n", "", "remove announce"}}, nil},
	"an unknown mode of TLS":    {inSite("  tls {\n    mode = \"ftps\"\n    certificate = \"/c.pem\"\n    key = \"/k.pem\"\n  }\n"), in("10", "invalid-choice"), change(`"ftps"`, `"explicit"`), nil},
	"true for a block":          {inSite("  tls = true\n"), in("9", "unsupported-argument"), change("tls = true", "  tls {\n    certificate = \"/etc/ssl/certs/ftp.pem\"\n    key = \"/etc/ssl/private/ftp.key\"\n  }"), nil},
	"= before a block":          {change("concurrency {", "concurrency = {"), in("10", "unsupported-argument"), change("concurrency = {", "concurrency {"), nil},
	"= before a block's label":  {change(`site "files" {`, `site = "files" {`), in("5", "invalid-syntax"), change(`site = "files" {`, `site "files" {`), nil},
	"a site without a name":     {change(files, "site {"), in("5", "missing-argument"), change("site {", `site "downloads" {`), nil},
	"a site with two names":     {change(files, `site "a" "b" {`), in("5", "unsupported-argument"), []edit{{` "b" {`, " {", "Remove the others"}}, nil},
	"a block with a name":       {change("concurrency {", `concurrency "x" {`), in("10", "unsupported-argument"), change(`concurrency "x" {`, "concurrency {"), nil},
	"a comma at the end":        {change("= 21", "= 21,"), in("8", "invalid-syntax"), []edit{{"= 21,", "= 21", "Remove the comma"}}, nil},
	"a semicolon at the end":    {change("= 21", "= 21;"), in("8", "invalid-syntax"), []edit{{"= 21;", "= 21", "Remove the semicolon"}}, nil},
	"a block on one line":       {change(concurrency, "\n  concurrency { sessions = 100, sessions_per_address = 10 }\n"), in("10", "invalid-syntax"), change(`concurrency { sessions = 100, sessions_per_address = 10 }`, "concurrency {\n  sessions = 100\n  sessions_per_address = 10\n}"), nil},
	"a brace on the next line":  {change(files, "site \"files\"\n{"), in("5", "invalid-syntax"), change("site \"files\"\n{", files), nil},
	"a name in quotes":          {change("port   = 21", `"port": 21,`), in("8", "invalid-syntax"), change(`"port": 21,`, "port = 21"), nil},
	"a header with a colon":     {change(files, `site "files": {`), in("5", "invalid-syntax"), change(`site "files": {`, files), nil},
	"a brace too many":          {change(sound, sound+"}\n"), in("15", "invalid-syntax"), []edit{{sound + "}", sound, "Remove it"}}, nil},
	"an argument behind a brace": {change("concurrency {\n    sessions ", "concurrency { sessions "), in("10", "invalid-syntax"),
		change("concurrency { sessions             = 100", "concurrency {\n  sessions             = 100"), nil},
	"a number with a comma":            {change("= 100", "= 1,000"), in("11", "invalid-syntax"), change("= 1,000", "= 1000"), nil},
	"a reference in ${ }":              {append(change("= 100", "= ${var.n}"), edit{"host ", "variable \"n\" { default = 100 }\nhost ", ""}), in("12", "invalid-syntax"), change("= ${var.n}", "= var.n"), nil},
	"a host as in Terraform":           {change(`= "edge1"`, "= host.edge1"), in("6", "unknown-reference"), change("= host.edge1", `= "edge1"`), nil},
	"no in quotes":                     {inSite("  gate = \"no\"\n"), in("9", "wrong-type"), change(`"no"`, "false"), nil},
	"a Windows path that escapes":      {inSite("  tls {\n    certificate = \"C:\\new\\ftp.pem\"\n    key = \"/k.pem\"\n  }\n"), in("10", "invalid-syntax"), change(`"C:\new\ftp.pem"`, `"/new/ftp.pem"`), nil},
	"a Windows path with tabs":         {inSite("  tls {\n    certificate = \"C:\\new\\tls.pem\"\n    key = \"/k.pem\"\n  }\n"), in("10", "control-character"), change(`"C:\new\tls.pem"`, `"/new/tls.pem"`), nil},
	"an argument of a target misspelt": {change(sound, sound+"target \"aws\" {\n  fromat = \"terraform\"\n  vpc_id = \"vpc-1\"\n}\n"), in("16", "unsupported-argument"), change("fromat", "format"), nil},
	"a word for a number of a target":  {change(sound, sound+"target \"aws\" {\n  rules_per_group = \"many\"\n}\n"), in("16", "wrong-type"), change(`"many"`, "100"), nil},
	"an undeclared variable":           {change("= 100", "= var.n"), in("11", "unknown-reference"), []edit{{"host ", "variable \"n\" { default = 400 }\nhost ", `variable "n" { default = 400 }`}}, nil},
	"a variable without var":           {append(change("= 100", "= people"), edit{"host ", "variable \"people\" { default = 100 }\nhost ", ""}), in("12", "unknown-reference"), change("= people", "= var.people"), nil},
	"a pin too small":                  {inSite("  data_ports = \"30000\"\n"), in("9", "range-too-small"), change(`"30000"`, `"30000-30464"`), nil},
	"an empty file":                    {change(sound, ""), in("1", "no-site"), change("", "host \"edge1\" {\n  addresses = [\"203.0.113.10\"]\n}\n"+aSite), nil},
	"a host alone":                     {change(second, ""), in("1", "no-site"), change("]\n}\n", "]\n}\n"+aSite), nil},
	"a target misspelt":                {change(sound, sound+"target \"nftable\" {}\n"), in("15", "unknown-target"), change(`"nftable"`, `"nftables"`), nil},
	"an address of two hosts":          {change(sound, sound+"host \"g\" {\n  addresses = [\"192.0.2.10\"]\n}\n"), in("16", "duplicate-address"), []edit{{"host \"g\" {\n  addresses = [\"192.0.2.10\"]\n}\n", "", "remove this host"}}, nil},
	"a port of two sites":              {change(sound, sound+strings.Replace(second, "files", "t", 1)), in("18", "control-port-taken"), change("t\" {\n  host   = \"edge1\"\n  server = \"vsftpd\"\n  port   = 21", "t\" {\n  host   = \"edge1\"\n  server = \"vsftpd\"\n  port   = 2121"), nil},
	"a chain without its table":        {change("\"]\n", "\"]\n  firewall {\n    into = \"INPUT\"\n  }\n"), in("4", "invalid-chain"), change(`"INPUT"`, `"inet filter input"`), nil},
	"a site that was not renamed":      {change(sound, sound+"moved {\n  from = site.files\n  to   = site.ftp\n}\n"), in("16", "invalid-rename"), []edit{{"files\" {", "ftp\" {", `Rename that site to "ftp"`}}, nil},
	"a rename to a misspelt site":      {change(sound, sound+"moved {\n  from = site.ftp\n  to   = site.fils\n}\n"), in("17", "unknown-site"), []edit{{"site.fils", "site.files", `Did you mean "files"?`}}, nil},
	"a rename to the same name":        {change(sound, sound+"moved {\n  from = site.files\n  to   = site.files\n}\n"), in("17", "invalid-rename"), []edit{{"moved {\n  from = site.files\n  to   = site.files\n}\n", "", "Remove this block"}}, nil},
	"a rename twice":                   {change(sound, sound+"moved {\n  from = site.ftp\n  to   = site.files\n}\nmoved {\n  from = site.ftp\n  to   = site.files\n}\n"), in("20", "invalid-rename"), []edit{{"moved {\n  from = site.ftp\n  to   = site.files\n}\n", "", "Remove one of the two"}}, nil},
	"two renames to one name":          {change(sound, sound+"moved {\n  from = site.ftp\n  to   = site.files\n}\nmoved {\n  from = site.old\n  to   = site.files\n}\n"), in("21", "invalid-rename"), []edit{{"moved {\n  from = site.ftp\n  to   = site.files\n}\n", "", "Remove one of the two"}}, nil},
	"renames in a circle":              {change(sound, sound+"moved {\n  from = site.a\n  to   = site.b\n}\nmoved {\n  from = site.b\n  to   = site.a\n}\n"), in("16", "invalid-rename"), []edit{{"moved {\n  from = site.a\n  to   = site.b\n}\nmoved {\n  from = site.b\n  to   = site.a\n}\n", "", "Remove them"}}, nil},
	"a rename in quotes":               {change(sound, sound+"moved {\n  from = \"ftp\"\n  to   = site.files\n}\n"), in("16", "wrong-type"), change(`"ftp"`, "site.ftp"), nil},
	"a rename on one line":             {change(sound, sound+"moved { from = site.ftp  to = site.files }\n"), in("15", "invalid-syntax"), change("moved { from = site.ftp  to = site.files }", "moved {\n  from = site.ftp\n  to = site.files\n}"), nil},
	"Latin-1":                          {change(`"files"`, "\"b\xfcro\""), in("5", "not-text"), []edit{{"\xfc", "ü", "Save the file as UTF-8"}}, &mistake{nil, in("5", "invalid-name"), change("büro", "buro"), nil}},
	"UTF-16":                           {change(sound, inUTF16(sound)), in("1", "not-text"), []edit{{inUTF16(sound), sound, "UTF-16"}}, nil},
}

func inUTF16(text string) string {
	var b strings.Builder
	for _, unit := range utf16.Encode([]rune("\ufeff" + text)) {
		b.WriteByte(byte(unit))
		b.WriteByte(byte(unit >> 8))
	}
	return b.String()
}

// TestMistakes makes each mistake and does what its diagnostics say.
func TestMistakes(t *testing.T) {
	for name, m := range mistakes {
		t.Run(name, func(t *testing.T) {
			text := sound
			for _, e := range m.edits {
				text = replaced(t, text, e)
			}
			for step := &m; step != nil; step = step.next {
				text = step.mended(t, text)
			}
			if diags := validated(text); diags.HasErrors() {
				t.Errorf("what the diagnostics advise is not valid:\n%s\n%v", text, diags.Errs())
			}
		})
	}
}

func replaced(t *testing.T, text string, e edit) string {
	t.Helper()
	if !strings.Contains(text, e.old) {
		t.Fatalf("the spec has no %q:\n%s", e.old, text)
	}
	return strings.Replace(text, e.old, e.new, 1)
}

// mended checks the errors of a spec and follows them.
func (m *mistake) mended(t *testing.T, text string) string {
	t.Helper()
	var diags hcl.Diagnostics
	for _, d := range validated(text) {
		if d.Severity == hcl.DiagError {
			diags = append(diags, d)
		}
	}
	var details strings.Builder
	for _, d := range diags {
		details.WriteString(d.Detail + "\n")
	}
	if got := places(diags); !slices.Equal(got, m.want) {
		t.Errorf("errors\n%q, want\n%q\n%s", got, m.want, details.String())
	}
	for _, e := range m.remedy {
		said := e.said
		if said == "" {
			said = strings.TrimPrefix(strings.TrimSpace(strings.TrimPrefix(e.new, e.old)), "= ")
		}
		if !strings.Contains(details.String(), said) {
			t.Errorf("no detail says %q:\n%s", said, details.String())
		}
		text = replaced(t, text, e)
	}
	return text
}

// validated returns what pasvctl validate reports of a spec.
func validated(text string) hcl.Diagnostics {
	p, diags := loadText("x.pasv.hcl", text)
	if !diags.HasErrors() {
		_, more := p.Files()
		diags = append(diags, more...)
	}
	return diags
}

// What only looks like a mistake is none.
func TestNoMistakes(t *testing.T) {
	for name, e := range map[string]edit{
		"no sessions_per_address":     {old: "    sessions_per_address = 10\n"},
		"a number in quotes":          {old: "= 100", new: `= "100"`},
		"a client's address":          {old: "= 21", new: "= 21\n  clients = [\"10.0.0.5\"]"},
		"a byte order mark":           {old: `host "`, new: "\ufeffhost \""},
		"line ends of Windows":        {old: sound, new: strings.ReplaceAll(sound, "\n", "\r\n")},
		"tabs":                        {old: sound, new: strings.ReplaceAll(sound, "  ", "\t")},
		"a comment as in C":           {old: "= 21", new: "= 21 // ftp"},
		"a path with its own escapes": {old: "= 21", new: "= 21\n  tls {\n    certificate = \"\\u002fc.pem\"\n    key = \"/k.pem\"\n  }"},
	} {
		if diags := validated(replaced(t, sound, e)); diags.HasErrors() {
			t.Errorf("%s: %v", name, diags.Errs())
		}
	}
}
