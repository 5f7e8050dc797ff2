package sizing

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// A site of 1,000 sessions must be sized in 10 ms, one of 100,000 in 250 ms.
func BenchmarkSize(b *testing.B) {
	for _, server := range []string{"vsftpd", "proftpd", "ftpserverlib", "filezilla", "embedded"} {
		for _, sessions := range []int{1000, 100_000} {
			for _, abandoned := range []float64{0, 0.001} {
				w := Workload{
					Sessions: sessions,
					Traffic: &Traffic{
						Rate: float64(sessions) / 5, Connect: 120 * time.Millisecond, Transfer: time.Second, Abandoned: abandoned,
					},
					Objective: Objective{Refused: 1e-12, MaxWait: time.Second, Squatted: 1},
				}
				b.Run(fmt.Sprintf("%s/%d/abandoned=%g", server, sessions, abandoned), func(b *testing.B) {
					p := mustLookup(b, server)
					for b.Loop() {
						var far *UnreachableError
						if _, err := Size(p, w); err != nil && !errors.As(err, &far) {
							b.Fatal(err)
						}
					}
				})
			}
		}
	}
}
