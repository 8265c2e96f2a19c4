package release_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

func TestParseWeight(t *testing.T) {
	for _, c := range []struct {
		in   string
		want release.Weight
		err  string
	}{
		{"0%", 0, ""},
		{"5%", 500, ""},
		{"0.25%", 25, ""},
		{" 12.5 % ", 1250, ""},
		{"0.01%", 1, ""},
		{"100%", 10000, ""},
		{"-0%", 0, ""},
		{"5", 0, "write it with its sign"},
		{"five%", 0, `"five" is not a number`},
		{"", 0, "write it with its sign"},
		{"%", 0, "is not a number"},
		{"NaN%", 0, "is not a number"},
		{"Inf%", 0, "is not a number"},
		{"0.001%", 0, "the finest weight is 0.01%"},
		{"100.01%", 0, "outside 0% to 100%"},
		{"-1%", 0, "outside 0% to 100%"},
		{"1e300%", 0, "outside 0% to 100%"},
	} {
		got, err := release.ParseWeight(c.in)
		check(t, c.in, got, err, c.want, c.err)
	}
}

func TestParseShare(t *testing.T) {
	for _, c := range []struct {
		in   string
		want release.Share
		err  string
	}{
		{"0.1%", 0.001, ""},
		{"100%", 1, ""},
		{"-0%", 0, ""},
		{"101%", 0, "outside 0% to 100%"},
		{"-0.1%", 0, "outside 0% to 100%"},
		{"0.1", 0, "such as 5% or 0.1%"},
	} {
		got, err := release.ParseShare(c.in)
		check(t, c.in, got, err, c.want, c.err)
	}
}

func TestParseRate(t *testing.T) {
	for _, c := range []struct {
		in   string
		want release.Rate
		err  string
	}{
		{"300/s", 300, ""},
		{"90/m", 1.5, ""},
		{"3600/h", 1, ""},
		{"0/s", 0, ""},
		{" 2.5 / s ", 2.5, ""},
		{"300", 0, "such as 300/s, 90/m or 1000/h"},
		{"300/d", 0, "such as 300/s, 90/m or 1000/h"},
		{"-1/s", 0, `"-1" is not a number of requests`},
		{"x/s", 0, `"x" is not a number of requests`},
	} {
		got, err := release.ParseRate(c.in)
		check(t, c.in, got, err, c.want, c.err)
	}
}

func TestParseDuration(t *testing.T) {
	for _, c := range []struct {
		in   string
		want time.Duration
		err  string
	}{
		{"90s", 90 * time.Second, ""},
		{"2h30m", 150 * time.Minute, ""},
		{"7d", 7 * 24 * time.Hour, ""},
		{"1d12h", 36 * time.Hour, ""},
		{"0", 0, ""},
		{"0s", 0, ""},
		{"30", 0, "500ms, 30s, 5m, 2h or 7d"},
		{"-1s", 0, "is not a duration"},
		{"1h2d", 0, "is not a duration"},
		{"1.5d", 0, "is not a duration"},
		{"d", 0, "is not a duration"},
		{"65536d", 0, "is not a duration"},
		{"106751d24h", 0, "is not a duration"},
		{"", 0, "is not a duration"},
	} {
		got, err := release.ParseDuration(c.in)
		check(t, c.in, got, err, release.Duration(c.want), c.err)
	}
}

func check[T comparable](t *testing.T, in string, got T, err error, want T, sentence string) {
	t.Helper()
	if sentence == "" && (err != nil || got != want) {
		t.Errorf("%q is %v, %v; want %v", in, got, err, want)
	}
	if sentence != "" && (err == nil || !strings.Contains(err.Error(), sentence) || !strings.Contains(err.Error(), fmt.Sprintf("%q", in))) {
		t.Errorf("%q fails with %v, want it quoted and %q", in, err, sentence)
	}
}

func TestQuantitiesAreWrittenAsPeopleDo(t *testing.T) {
	for want, got := range map[string]fmt.Stringer{
		"5%": release.Weight(500), "0.25%": release.Weight(25), "100%": release.FullWeight, "0%": release.NoWeight,
		"0.1%": release.Share(0.001), "33.3333333%": release.Share(1.0 / 3),
		"300/s": release.Rate(300), "1.5/s": release.Rate(1.5),
		"2m": release.Duration(2 * time.Minute), "1h30m": release.Duration(90 * time.Minute), "2h": release.Duration(2 * time.Hour),
		"10m": release.Duration(10 * time.Minute), "1m5s": release.Duration(65 * time.Second), "0s": release.Duration(0), "168h": release.Duration(7 * 24 * time.Hour),
	} {
		if got.String() != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestQuantitiesReadBackAsTheyWereWritten(t *testing.T) {
	type all struct {
		W release.Weight
		S release.Share
		R release.Rate
		D release.Duration
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		in := all{
			W: release.Weight(random.IntN(10001)), S: release.Share(float64(random.IntN(100_000_001)) / 1e8),
			R: release.Rate(random.ExpFloat64() * 1000), D: release.Duration(random.Int64N(int64(1000 * 24 * time.Hour))),
		}
		text, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		var out all
		if err := json.Unmarshal(text, &out); err != nil {
			t.Fatalf("read %s: %v", text, err)
		}
		if again, _ := json.Marshal(out); out.W != in.W || out.R != in.R || out.D != in.D || !bytes.Equal(again, text) {
			t.Fatalf("%+v was written as %s and read as %+v", in, text, out)
		}
	}
}
