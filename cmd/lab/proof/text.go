package main

import (
	"fmt"
	"io"
	"strings"
)

// writeTable writes the whole page.
func writeTable(w io.Writer, all []Measured, seconds float64) error {
	verdicts := map[string]int{}
	over := 0
	for _, m := range all {
		verdicts[m.Verdict]++
		if m.Planned && m.Refused > objective {
			over++
		}
	}
	text := strings.NewReplacer(
		"{seconds}", fmt.Sprintf("%g", seconds), "{rows}", fmt.Sprint(len(all)), "{inside}", fmt.Sprint(verdicts[within]),
		"{above}", fmt.Sprint(verdicts[safe]), "{below}", fmt.Sprint(verdicts[unsafe]), "{over}", fmt.Sprint(over),
		"{objective}", fmt.Sprintf("%g", objective),
		"{wait}", maxWait.String(), "{connect}", connect.String(), "{told}", told.String(),
		"{late}", fmt.Sprintf("%g ms", 1000*mostLate), "{stall}", fmt.Sprintf("%g ms", 1000*mostStall), "{missed}", fmt.Sprintf("%g %%", 100*mostMissed),
		"{attempts}", fmt.Sprint(attempts-1),
	).Replace(page)
	if _, err := io.WriteString(w, text); err != nil {
		return err
	}
	return writeRows(w, all)
}

const page = `# The model against running servers

Made by ` + "`make proof`" + `, which repeats the measurement; do not edit. Of {rows} rows the model
lies inside the measured 95 % interval in {inside}, above it, on the safe side, in {above}, and
below it in {below}. Planned ranges that refused more than their objective: {over}.

How it was measured:

- Each server runs with the configuration that pasvctl renders, on loopback in
  namespaces of its own; vsftpd with isolate_network=NO beside it, since a network
  namespace for each session is more than a small machine makes in time. A load client keeps sessions open and asks for ports in a
  Poisson stream, connects to each after {connect} on average (exponential; constant for the
  bundled daemon if the row names no shape; lognormal with σ = 1), fetches a small file, and compares what it got.
- Servers and client run before the machine's other work (SCHED_RR).
- Refused is every request that got no port of the range: a refusing reply, a
  session that died, and a port outside the range, which is what ProFTPD hands out
  when its range is full.
- The interval is that of batch means over 20 slices of the {seconds} seconds that a
  row takes, or Wilson's where that is wider.
- The model is given the rate and the mean times that were measured in the same
  run, columns 5 to 7, and knows nothing else of it. A perfect model lies inside
  the interval in more than 95 % of the rows, for part of the noise is in both.
- Listening is from the PASV reply until the server has accepted the connection,
  held is to the end of the transfer. vsftpd holds its ports for the second, ProFTPD
  and the bundled daemon for the first.
- A range that is planned is the one that ` + "`pasvctl plan`" + ` computes for the wanted rate, a
  connect time of {told} (the client's and what a busy machine adds), a transfer time of
  5 ms, an objective of {objective}, which is one that a run this long can see, and the
  one squatted port that a plan allows for; none is squatted in the run.
- "1 of 2": ports of the range that are free; a program that is no FTP server
  holds the others. ProFTPD takes no range of one port, and Pure-FTPd admits half as
  many sessions as it has ports.
- Pure-FTPd keeps a session's port until the session ends, so each session serves one
  transfer, and held is to the session's end. The refusals of ProFTPD and Pure-FTPd with
  many free ports are those of the listen race.
- The bundled daemon, with all sessions behind one address, lets a request wait {wait}
  before it refuses it; its model is a bound.
- "40 x 4 in 1s": a burst in the place of the stream, on the range that the plan computes
  for it beside one data connection a second: 40 sessions start at random instants
  of 1 s, each makes 4 data connections one after another, and once all are through
  they start again. A session of vsftpd that is refused makes no more. The model is what the
  last one to ask is refused, and what it loses to the listen race, a bound; the
  connects are exponential on all servers. Held on Pure-FTPd is to the transfer's end.
- A row was measured again, up to {attempts} times, where requests came more than {late} late on
  average or one of them more than {stall}, or where more than {missed} of them found
  no session. That says how the machine was, and looks at no refusal.

`
