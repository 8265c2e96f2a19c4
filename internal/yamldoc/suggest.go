package yamldoc

import "strings"

// Suggest is a remedy for a word that is none of the known ones: the one that was probably meant,
// or all there are.
func Suggest(word string, known []string) string {
	if meant := Nearest(word, known); meant != "" {
		return "did you mean " + meant + "?"
	}
	return "use one of " + strings.Join(known, ", ")
}

// Nearest is the known word that a typing error would turn into word, or "" when none is near.
func Nearest(word string, known []string) string {
	best, least := "", 0
	for _, k := range known {
		d := distance(strings.ToLower(word), strings.ToLower(k))
		if best == "" || d < least {
			best, least = k, d
		}
	}
	// A third of the word may be wrong: two letters of "comand", none of "of".
	if best == "" || least > max(len(best), len(word))/3 {
		return ""
	}
	return best
}

// distance counts the letters to insert, remove, replace or swap with their neighbour to turn a
// into b. Words longer than any name we know are not compared, so that the cost stays bounded.
func distance(a, b string) int {
	const longest = 64
	if len(a) > longest || len(b) > longest {
		return len(a) + len(b)
	}
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replace := last[j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			row[j] = min(last[j]+1, row[j-1]+1, replace)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
