package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestReady(t *testing.T) {
	answers := http.NewServeMux()
	code, body := http.StatusOK, "ready\n"
	answers.HandleFunc("/ready", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "/other")
		w.WriteHeader(code)
		w.Write([]byte(body))
	})
	answers.HandleFunc("/other", func(http.ResponseWriter, *http.Request) {})
	server := httptest.NewServer(answers)
	defer server.Close()
	at := strings.TrimPrefix(server.URL, "http://")
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	for _, c := range []struct {
		answer int
		body   string
		code   int
		want   string
	}{
		{200, "ready\n", exitDone, ""},
		{503, "not accepting sessions\n" + strings.Repeat("x", 1<<20), exitFailed, "pasvctl: not ready: 503 Service Unavailable: not accepting sessions"},
		{302, "", exitFailed, "not ready: 302 Found"},
	} {
		code, body = c.answer, c.body
		got, stdout, stderr := pasvctl("ready", at)
		if got != c.code || stdout != "" || !strings.Contains(stderr, c.want) || len(stderr) > 400 {
			t.Errorf("%d: exit code %d\n%s%s", c.answer, got, stdout, stderr)
		}
	}
	server.Close()
	if got, _, stderr := pasvctl("ready", at); got != exitFailed || !strings.Contains(stderr, "refused") {
		t.Errorf("without a daemon: exit code %d\n%s", got, stderr)
	}
	if got, _, stderr := pasvctl("ready", "localhost:9121"); got != exitUsage || !strings.Contains(stderr, "serve --metrics") {
		t.Errorf("exit code %d\n%s", got, stderr)
	}
}
