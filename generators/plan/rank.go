package plan

import (
	"regexp"
	"strconv"
)

var rankComment = regexp.MustCompile(`(?m)^\s*# rank = ([1-9][0-9]{0,3}),`)

// readRanks reads the ranks out of the comments of a lock's entries. Of two
// sites of one host with the same rank, which a merge of two branches may make,
// the second by name gets another one from rank.
func readRanks(lock *Lock, body lockBody, src []byte) {
	for i, b := range body.Sites {
		end := len(src)
		if i+1 < len(body.Sites) {
			end = body.Sites[i+1].Header.Start.Byte
		}
		if m := rankComment.FindSubmatch(src[b.Header.End.Byte:end]); m != nil {
			lock.find(b.Name).Rank, _ = strconv.Atoi(string(m[1])) // four digits at most
		}
	}
}

// rank gives each site the rank that the lock has for it, and the others the
// lowest that is free on their host. Those of sites that are only in the lock
// are not free: a platform that refuses two rules of one priority may be told of
// the new rule before the old one is gone.
func rank(sites []*Site, lock *Lock) {
	type place struct {
		host string
		rank int
	}
	taken := map[place]bool{}
	var fresh []*Site
	for _, s := range sites {
		s.Rank = 0
		old := lock.find(s.Name)
		if old == nil || old.Host != s.Host.Name || old.Rank == 0 || taken[place{old.Host, old.Rank}] {
			fresh = append(fresh, s)
			continue
		}
		s.Rank = old.Rank
		taken[place{old.Host, old.Rank}] = true
	}
	if lock != nil {
		for _, old := range lock.Sites {
			taken[place{old.Host, old.Rank}] = true
		}
	}
	next := map[string]int{}
	for _, s := range fresh {
		host := s.Host.Name
		for next[host]++; taken[place{host, next[host]}]; next[host]++ {
		}
		s.Rank = next[host]
	}
}

// ForgetRanks leaves the ranks out of the lock, for a spec without a target that
// needs them.
func (l *Lock) ForgetRanks() {
	for i := range l.Sites {
		l.Sites[i].Rank = 0
	}
}
