package store

import (
	"fmt"
	"testing"

	"fx/internal/fail"
)

func TestParseShard(t *testing.T) {
	for text, want := range map[string]Shard{"": {}, "0/1": {0, 1}, "3/4": {3, 4}} {
		got, err := ParseShard(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("%q: %+v %q, %v", text, got, got, err)
		}
	}
	for _, text := range []string{"4/4", "-1/4", "1", "1/0", "a/b", "1/2/3", "0/0", "/", "0/99999999"} {
		if got, err := ParseShard(text); fail.KindOf(err) != fail.Usage || fail.HintOf(err) == "" {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}

func TestEveryPathFallsToOneShard(t *testing.T) {
	const n = 7
	var count [n]int
	for i := range 7000 {
		path := fmt.Sprintf("train/ants/%d.jpg", i)
		owners := 0
		for k := range n {
			if (Shard{k, n}).Owns(path) {
				owners++
				count[k]++
			}
		}
		if owners != 1 || !(Shard{}).Owns(path) {
			t.Fatalf("%s has %d owners", path, owners)
		}
	}
	for k, c := range count {
		if c < 850 || c > 1150 { // 1000 ± 5 standard deviations
			t.Errorf("shard %d has %d of 7000", k, c)
		}
	}
}

func TestShardNames(t *testing.T) {
	for name, want := range map[string]shardName{
		"shard-00000.arrow":         {number: 0},
		"shard-123456.arrow":        {number: 123456},
		"shard-2-of-16-00003.arrow": {shard: Shard{2, 16}, number: 3},

		"part-00112233445566778899aabbccddeeff.arrow": {part: "00112233445566778899aabbccddeeff"},
	} {
		if got, ok := parseShardName(name); !ok || got != want || got.String() != name {
			t.Errorf("%s: %+v %v", name, got, ok)
		}
	}
	for _, name := range []string{"shard-0.arrow", "shard-00000.arrow.fx-tmp-1", "shard-4-of-4-00000.arrow",
		"shard-01-of-4-00000.arrow", "shard-000001.arrow", "x-shard-00000.arrow",
		"part-0.arrow", "part-00112233445566778899aabbccddeefF.arrow"} {
		if got, ok := parseShardName(name); ok {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
