package generators

import (
	"slices"
	"strings"
	"testing"
)

// A prefix that Ansible or Puppet does not take as the start of a name is an
// error at the attribute, and no file.
func TestVarsPrefix(t *testing.T) {
	for prefix, ok := range map[string]bool{
		"pasvctl_": true, "ftp2_": true, "pasvctl::": true, "profile::ftp::": true, "profile::ftp::x_": true,
		"": false, "_": false, "pasvctl": false, "Pasvctl_": false, "1_": false, "a:": false, "a b_": false, "::a::": false, "a\\n_": false,
		strings.Repeat("a", 63) + "_": true, strings.Repeat("a", 64) + "_": false,
	} {
		for _, format := range []string{"yaml", "json"} {
			files, diags := handTarget(t, "vars", `prefix = "`+prefix+"\"\nformat = \""+format+`"`).Files(awsPlan())
			if ok && (len(diags) > 0 || len(files) != 2 || !strings.Contains(string(files[0].Content), prefix+"sites")) {
				t.Errorf("prefix %q: %v, %d files", prefix, diags, len(files))
			}
			if !ok && (!slices.Equal(said(diags), []string{"error: invalid-setting at spec"}) || len(files) != 0) {
				t.Errorf("prefix %q: %v, %d files", prefix, said(diags), len(files))
			}
		}
	}
}
