package tracking

import (
	"fmt"
	"hash/fnv"
)

var (
	adjectives = []string{
		"agile", "amber", "bold", "brave", "bright", "brisk", "calm", "candid", "clear", "clever", "crisp", "curious",
		"eager", "early", "fair", "fresh", "gentle", "golden", "grand", "hardy", "honest", "keen", "kind", "late",
		"light", "lively", "lucid", "merry", "mild", "neat", "noble", "patient", "plain", "proud", "quick", "quiet",
		"rapid", "ready", "serene", "sharp", "silver", "smooth", "steady", "sunny", "swift", "tidy", "warm", "wise",
	}
	nouns = []string{
		"acorn", "ash", "bay", "birch", "brook", "canyon", "cedar", "cliff", "cloud", "coast", "creek", "dale",
		"dawn", "delta", "dune", "elm", "fern", "field", "fjord", "forest", "garden", "glade", "grove", "harbor",
		"heath", "hill", "island", "lake", "lark", "leaf", "maple", "meadow", "moss", "oak", "orchard", "pine",
		"pond", "reef", "ridge", "river", "shore", "spring", "stone", "stream", "thistle", "valley", "willow", "wren",
	}
)

// inventName gives a run without a name one that people can say, as
// calm-river-594. It follows from the run's id.
func inventName(runID string) string {
	h := fnv.New64a()
	h.Write([]byte(runID))
	n := h.Sum64()
	return fmt.Sprintf("%s-%s-%d",
		adjectives[n%uint64(len(adjectives))], nouns[n>>16%uint64(len(nouns))], n>>32%1000)
}
