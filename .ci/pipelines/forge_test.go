package pipelines

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"
)

const (
	writer = "token-that-may-write"
	reader = "token-of-a-fork" // may only read
	bot    = "github-actions[bot]"
)

// note is a comment as either service's API has it.
type note struct {
	ID   int    `json:"id"`
	Body string `json:"body"`
	User struct {
		Login string `json:"login"`
	} `json:"user"`
	Author struct {
		ID int `json:"id"`
	} `json:"author"`
}

// forge is the API of GitHub and of GitLab for one pull request, number 7, and
// serves a release's archive.
type forge struct {
	*httptest.Server
	sync.Mutex
	notes  []note
	broken bool
}

func newForge(t *testing.T) *forge {
	t.Helper()
	f := &forge{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /pasvctl-linux.tar.gz", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, archive) })
	mux.HandleFunc("GET /user", f.api(func(*http.Request) (any, int) { return map[string]int{"id": 99}, 0 }))
	for _, notes := range []string{"/repos/acme/ftp/issues/7/comments", "/projects/42/merge_requests/7/notes"} {
		mux.HandleFunc("GET "+notes, f.api(f.list))
		mux.HandleFunc("POST "+notes, f.api(f.write))
	}
	mux.HandleFunc("PATCH /repos/acme/ftp/issues/comments/{id}", f.api(f.write))
	mux.HandleFunc("PUT /projects/42/merge_requests/7/notes/{id}", f.api(f.write))
	f.Server = httptest.NewServer(mux)
	t.Cleanup(f.Close)
	return f
}

func (f *forge) api(answer func(*http.Request) (any, int)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		f.Lock()
		defer f.Unlock()
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		switch {
		case f.broken:
			w.WriteHeader(http.StatusInternalServerError)
		case token != writer && token != reader:
			w.WriteHeader(http.StatusUnauthorized)
		case token == reader && r.Method != "GET":
			w.WriteHeader(http.StatusForbidden)
		default:
			body, code := answer(r)
			if code != 0 {
				w.WriteHeader(code)
				return
			}
			_ = json.NewEncoder(w).Encode(body)
		}
	}
}

func (f *forge) list(r *http.Request) (any, int) {
	page, _ := strconv.Atoi(r.FormValue("page"))
	size, _ := strconv.Atoi(r.FormValue("per_page"))
	if page < 1 || size < 1 || size > 100 {
		return nil, http.StatusBadRequest
	}
	from := min((page-1)*size, len(f.notes))
	return append([]note{}, f.notes[from:min(from+size, len(f.notes))]...), 0
}

func (f *forge) write(r *http.Request) (any, int) {
	var n note
	if err := json.NewDecoder(r.Body).Decode(&n); err != nil || n.Body == "" || utf8.RuneCountInString(n.Body) > 65536 {
		return nil, http.StatusUnprocessableEntity
	}
	if id := r.PathValue("id"); id != "" {
		i := slices.IndexFunc(f.notes, func(n note) bool { return fmt.Sprint(n.ID) == id })
		if i < 0 {
			return nil, http.StatusNotFound
		}
		f.notes[i].Body = n.Body
		return f.notes[i], 0
	}
	return f.add(bot, n.Body), 0
}

// add appends a comment; on GitLab the bot is user 99.
func (f *forge) add(login, body string) note {
	n := note{ID: 1000 + len(f.notes), Body: body}
	n.User.Login = login
	if login == bot {
		n.Author.ID = 99
	}
	f.notes = append(f.notes, n)
	return n
}

// only is the text of the one comment that there must be.
func (f *forge) only(t *testing.T) string {
	t.Helper()
	if len(f.notes) != 1 {
		t.Fatalf("%d comments: %+v", len(f.notes), f.notes)
	}
	return f.notes[0].Body
}

// contains checks that a text has all of some parts.
func contains(t *testing.T, what, text string, parts ...string) {
	t.Helper()
	missing := slices.DeleteFunc(slices.Clone(parts), func(part string) bool { return strings.Contains(text, part) })
	if len(missing) > 0 {
		t.Errorf("%s lacks %q:\n%s", what, missing, text)
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
