package main

import (
	"fmt"
	"io"
	"strings"
)

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

` + "`make proof`" + ` makes this table from measurements; do not edit it. Of {rows} rows the model is
inside the measured 95 % interval in {inside}, above it (on the safe side) in {above} and below
it in {below}. {over} planned ranges refused more than their objective.

How it is measured:

- Each server runs with the configuration that pasvctl renders, on loopback in its own
  namespaces; vsftpd with isolate_network=NO, because a small machine cannot create a
  network namespace for each session in time. A load client keeps sessions open, asks for
  ports in a Poisson stream, connects after {connect} on average (exponential; constant for the
  bundled daemon if the row names no shape; lognormal with σ = 1), fetches a small file and
  compares its content.
- Servers and client have priority over the machine's other processes (SCHED_RR).
- Refused counts every request that got no port of the range: a refusing reply, a
  session that ended, and a port outside the range, which ProFTPD hands out when its
  range is full.
- The interval is that of batch means over 20 slices of a row's {seconds} seconds, or Wilson's if
  that is wider.
- The model gets the rate and the mean times measured in the same run, columns 5 to 7, and
  nothing else. A perfect model is inside the interval in more than 95 % of the rows,
  because both share part of the noise.
- Listening is the time from the PASV reply until the server has accepted the connection,
  held the time until the transfer ends. vsftpd holds its ports for the second, ProFTPD
  and the bundled daemon for the first.
- A planned range is the one that ` + "`pasvctl plan`" + ` computes for the wanted rate, a connect
  time of {told} (the client's and what a busy machine adds), a transfer time of 5 ms, an
  objective of {objective}, which a run of this length can detect, and the one squatted port that a
  plan allows for; none is squatted in the run.
- "1 of 2" is free ports of the range; a program that is no FTP server holds the others.
  ProFTPD takes no range of one port, and Pure-FTPd admits half as many sessions as it has
  ports.
- Pure-FTPd keeps a session's port until the session ends, so each session serves one
  transfer, and held is the time until the session ends. With many free ports ProFTPD and
  Pure-FTPd refuse because of the listen race.
- The bundled daemon, with all sessions behind one address, lets a request wait {wait}
  before it refuses it; its model is a bound.
- "40 x 4 in 1s" is a burst instead of the stream, on the range that the plan computes for
  it together with one data connection a second: 40 sessions start at random instants
  of 1 s, each makes 4 data connections one after another, and when all have ended they
  start again. A refused session of vsftpd makes no more. The model is the share that the
  last request is refused plus the listen race, a bound; connect times are exponential on
  all servers. Held on Pure-FTPd is the time until the transfer ends.
- A row was measured again, up to {attempts} times, if requests came more than {late} late on
  average, one of them came more than {stall} late, or more than {missed} of them found no
  session. That depends on the machine and not on refusals.

`
