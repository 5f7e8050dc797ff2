package pipelines

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// titled is the title of an annotation of pasvctl.
var titled = regexp.MustCompile(`^[A-Z][a-z ]+ \[[a-z-]+\]$`)

// TestHostilePullRequests: its author writes the spec, the files and the names, and
// the job prints them. Nothing of that is a command to the shell, to the runner or
// to git, or more than text in the comment.
func TestHostilePullRequests(t *testing.T) {
	t.Parallel()
	const commands = "::set-output name=a::b\n  ::add-mask::admin\n##[add-mask]root\nx ##[set-env name=PATH]/tmp\n%0A::warning::x\n"
	for name, c := range map[string]struct {
		change func(repository, string)
		code   int
		log    string // shows that the text has reached the job
	}{
		"a name": {func(r repository, run string) {
			r.replace(specFile, `site "downloads"`, `site "a\n::set-output name=a::b%0A::add-mask::c`+run+`|<img src=x>@everyone`+"`"+`*"`)
		}, 1, "::set-output name=a::b%0A::add-mask::c"},
		"a value": {func(r repository, run string) {
			r.replace(specFile, `"vsftpd"`, `"vsftpd\n::set-output name=a::b\r::add-mask::c`+strings.ReplaceAll(run, "$", "$$")+`</details>"`)
		}, 1, "add-mask"},
		"comments": {func(r repository, run string) {
			r.replace(specFile, "  port   = 21\n", "  port = 21 # "+run+"\n# "+run+"\n/*\n"+commands+"*/\n")
		}, 2, "\n ::set-output name=a::b\n"},
		"a file's name": {func(r repository, run string) {
			r.write(folder+"/x\n::add-mask::admin\n"+strings.ReplaceAll(run, "/", "\\")+".pasv.hcl", strings.Replace(added("mirror", 2321), "  port   =", "port =", 1))
			r.generate()
		}, 2, "\n::add-mask::admin\n"},
		"a link's name": {func(r repository, run string) {
			if err := os.Symlink("nowhere", filepath.Join(r.dir, folder, "x\n::add-mask::admin\n.pasv.hcl")); err != nil {
				r.Fatal(err)
			}
		}, 1, "::add-mask::admin"},
		"a template": {func(r repository, run string) {
			r.write(folder+"/page.tmpl", commands+run+"\n{{ range .Sites }}{{ .DataPorts }}{{ end }}\n"+commands)
			r.write(folder+"/page.pasv.hcl", "target \"template\" {\n  source = \"page.tmpl\"\n  output = \"page.md\"\n}\n")
			r.generate()
			r.grow()
		}, 2, "\n ::set-output name=a::b\n"},
		"a repository in the spec's folder": {func(r repository, run string) {
			r.write(folder+"/HEAD", "ref: refs/heads/main\n")
			r.write(folder+"/config", "[core]\n\tbare = true\n\tfsmonitor = \""+run+"\"\n[diff]\n\texternal = \""+run+"\"\n")
			r.write(folder+"/objects/keep", "")
			r.write(folder+"/refs/keep", "")
			r.admit()
			r.generate()
		}, 0, "**The change cannot be shown**, because pasvctl cannot plan the spec, as it is or as it was:\n\n    pasvctl: \""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, f := newRepository(t), newForge(t)
			trap := filepath.Join(t.TempDir(), "trap")
			run := "$(touch${IFS}" + trap + ")`touch${IFS}" + trap + "`;touch${IFS}" + trap + ";"
			branch := "x" + strings.TrimRight(run, ";")
			r.branch(branch, func() { c.change(r, run) })
			env := []string{"GITHUB_HEAD_REF=" + branch, "GITHUB_REF_NAME=7/merge", "GITHUB_ACTOR=" + run}
			done := job{T: t, repository: r.merged(branch), base: r.git("rev-parse", "main"), token: writer, forge: f, env: env}.run()
			if done.code != c.code {
				t.Errorf("exit code %d", done.code)
			}
			contains(t, "the log", done.log, c.log)
			for i, command := range done.commands {
				if c.code != 1 || i > 0 || command.name != "error" || !titled.MatchString(command.properties["title"]) {
					t.Errorf("the runner has carried out %s", command)
				}
			}
			body := f.only(t)
			if _, page, failed := strings.Cut(body, "**The change cannot be shown**, because pasvctl cannot plan the spec, as it is or as it was:\n\n"); failed {
				for line := range strings.Lines(page) {
					if !strings.HasPrefix(line, "    ") {
						t.Errorf("the comment has more than text: %q", line)
					}
				}
			} else if c.code == 1 {
				t.Errorf("the comment says nothing of the mistake:\n%s", body)
			}
			if c.code == 2 && r.pipeline(f, branch, r.git("rev-parse", "main"), writer, "CI_COMMIT_TITLE="+run).passed {
				t.Error("it passes on GitLab")
			}
			if _, err := os.Stat(trap); err == nil {
				t.Error("a command of the pull request was run")
			}
			if t.Failed() {
				t.Logf("%s\n%s", done.log, body)
			}
		})
	}
}
