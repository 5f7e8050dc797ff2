package kernel

// Snapshot is what stood under our names in one backend.
type Snapshot struct {
	Backend string            `json:"backend"`
	Text    map[string]string `json:"text,omitempty"` // by the program that reads it back
	Jumps   []Jump            `json:"jumps,omitempty"`
}

// Jump is a rule of ours in a chain of others.
type Jump struct {
	Chain string `json:"chain"` // "inet filter input", "iptables filter INPUT"
	After int    `json:"after"` // so many rules of others
	Rule  string `json:"rule"`
}

// Listing lists the objects of a snapshot.
func (s Snapshot) Listing() (Listing, error) {
	if s.Backend == NFT {
		was, err := parseRuleset(s.Text["nft"])
		return listed(was.list(), s.Jumps), err
	}
	l := listSets(s.Text["ipset"])
	for _, f := range families {
		l = append(l, parseSave(s.Text[f.command]).list(f.command)...)
	}
	return listed(l, s.Jumps), nil
}

// Empty reports whether nothing stood under our names.
func (s Snapshot) Empty() bool { return len(s.Text)+len(s.Jumps) == 0 }

// listed adds to a listing an object for each chain that has jumps to ours.
func listed(l Listing, jumps []Jump) Listing {
	byChain := map[string]*Object{}
	for _, j := range jumps {
		if byChain[j.Chain] == nil {
			byChain[j.Chain] = &Object{Name: "jump in chain " + j.Chain, Ordered: true}
		}
		byChain[j.Chain].Lines = append(byChain[j.Chain].Lines, stateless(j.Rule))
	}
	for _, o := range byChain {
		l = append(l, *o)
	}
	l.sort()
	return l
}
