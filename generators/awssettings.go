package generators

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/plan"
)

var (
	vpcID    = regexp.MustCompile(`^vpc-[0-9a-z]{1,40}$`)
	groupID  = regexp.MustCompile(`^sg-[0-9a-z]{1,40}$`)
	sourceID = regexp.MustCompile(`^(pl|sg)-[0-9a-z]{1,40}$`)
	tagText  = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+@-]*$`) // EC2 API, "Tag"
)

// maxTags is how many tags a group has at most, its Name among them ("Tag your
// Amazon EC2 resources").
const maxTags = 50

func (a *aws) check(p *plan.Plan) hcl.Diagnostics {
	diags := append(append(a.checkGroups(p), a.checkSources(p)...), a.checkTags()...)
	if a.VPC != "" && !vpcID.MatchString(a.VPC) {
		diags = append(diags, a.wrong("vpc_id", "%q is not the id of a VPC, such as \"vpc-0a1b2c3d\". Without vpc_id the files ask for it.", a.VPC))
	}
	if diags.HasErrors() {
		return diags
	}
	idle := func(set bool, name, why string) {
		if set {
			diags = append(diags, finding.NoEffect.Warning(a.at.Of(name), "%s Remove %s.", why, name))
		}
	}
	made := slices.ContainsFunc(p.Hosts, func(h *plan.Host) bool { return a.SecurityGroups[h.Name] == "" })
	switch {
	case a.Format == "cli":
		idle(a.VPC != "", "vpc_id", "The format \"cli\" adds rules to a security group that is there already, and the group has its VPC.")
		idle(len(a.SecurityGroups) > 0, "security_groups", "The format \"cli\" has a file for each host, and the command that reads it names the group.")
		idle(len(a.Tags) > 0, "tags", "The format \"cli\" adds rules to a security group that is there already, and the group has its tags.")
	case !made:
		idle(a.VPC != "", "vpc_id", "Every host has a security group that is there already, and the group has its VPC.")
		idle(len(a.Tags) > 0, "tags", "Every host has a security group that is there already, and the group has its tags.")
	}
	return diags
}

func (a *aws) checkGroups(p *plan.Plan) hcl.Diagnostics {
	var diags hcl.Diagnostics
	hosts := hostNames(p)
	owner := map[string]string{}
	for _, host := range slices.Sorted(maps.Keys(a.SecurityGroups)) {
		id := a.SecurityGroups[host]
		switch {
		case !slices.Contains(hosts, host):
			diags = append(diags, a.wrong("security_groups", "security_groups names host %q, which has no sites here. %s", host, choices(host, hosts)))
		case !groupID.MatchString(id):
			diags = append(diags, a.wrong("security_groups", "%q is not the id of a security group, such as \"sg-0a1b2c3d\".", id))
		case owner[id] != "":
			diags = append(diags, a.wrong("security_groups", "Hosts %q and %q have one security group, %q, which would open the ports of each on the other. Name a group for each.", owner[id], host, id))
		}
		owner[id] = host
	}
	return diags
}

func (a *aws) checkSources(p *plan.Plan) hcl.Diagnostics {
	var diags hcl.Diagnostics
	sites := siteNames(p)
	for _, site := range slices.Sorted(maps.Keys(a.Sources)) {
		ids := a.Sources[site]
		if !slices.Contains(sites, site) {
			diags = append(diags, a.wrong("sources", "sources names site %q, which is not in the spec. %s", site, choices(site, sites)))
		}
		if len(ids) == 0 {
			diags = append(diags, a.wrong("sources", "Site %q has no sources, so no client could reach it. Name a prefix list or a security group, or remove the site to admit its clients.", site))
		}
		for i, id := range ids {
			if !sourceID.MatchString(id) {
				diags = append(diags, a.wrong("sources", "%q is not the id of a prefix list or a security group, such as \"pl-0a1b2c3d\" or \"sg-0a1b2c3d\".", id))
			} else if slices.Contains(ids[:i], id) {
				diags = append(diags, a.wrong("sources", "Site %q has the source %q twice. Remove one.", site, id))
			}
		}
	}
	return diags
}

func (a *aws) checkTags() hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, key := range slices.Sorted(maps.Keys(a.Tags)) {
		value := a.Tags[key]
		if key == "" || utf8.RuneCountInString(key) > 128 || utf8.RuneCountInString(value) > 256 ||
			!tagText.MatchString(key+value) || strings.HasPrefix(strings.ToLower(key), "aws:") {
			diags = append(diags, a.wrong("tags", "AWS does not take the tag %q = %q. Write letters, digits, spaces and _ . : / = + - @: "+
				"1 to 128 for the key, which does not start with aws:, and at most 256 for the value.", key, value))
		}
	}
	if len(a.Tags) >= maxTags {
		diags = append(diags, a.wrong("tags", "There are %d tags, and AWS takes %d with the group's Name. Remove some.", len(a.Tags), maxTags))
	}
	return diags
}
