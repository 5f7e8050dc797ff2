package templates

import (
	"maps"
	"slices"
	"text/template"

	"github.com/Masterminds/sprig/v3"
)

// unrepeatable are the functions that sprig counts as hermetic and that still
// give another result from run to run or from machine to machine: random
// salts, keys and orders, the time zone, the path separator, the address of a
// pointer. derivePassword repeats itself but takes seconds by design.
var unrepeatable = []string{
	"ago", "bcrypt", "buildCustomCert", "decryptAES", "derivePassword",
	"encryptAES", "genCA", "genCAWithKey", "genPrivateKey",
	"genSelfSignedCert", "genSelfSignedCertWithKey", "genSignedCert",
	"genSignedCertWithKey", "htpasswd", "mustDateModify", "mustToDate",
	"must_date_modify", "osBase", "osClean", "osDir", "osExt", "osIsAbs",
	"randInt", "semver", "shuffle", "toDate", "unixEpoch",
}

// Functions is the function map of every template: sprig's hermetic functions
// (no environment, time, random numbers or network) less those that do not
// repeat themselves, with keys and values in sorted order, and one escaper per
// format: hcl, yaml, json, shell, vsftpd, proftpd, word and comment.
func Functions() template.FuncMap {
	all := sprig.HermeticTxtFuncMap()
	for _, name := range unrepeatable {
		delete(all, name)
	}
	all["keys"] = sortedKeys
	all["values"] = sortedValues
	for name, escape := range escapers() {
		all[name] = escape
	}
	return all
}

// sortedKeys replaces sprig's keys, which follow Go's random map order.
func sortedKeys(dicts ...map[string]any) []string {
	var keys []string
	for _, dict := range dicts {
		keys = slices.AppendSeq(keys, maps.Keys(dict))
	}
	slices.Sort(keys)
	return keys
}

// sortedValues replaces sprig's values: in the order of their keys.
func sortedValues(dict map[string]any) []any {
	values := make([]any, 0, len(dict))
	for _, key := range sortedKeys(dict) {
		values = append(values, dict[key])
	}
	return values
}
