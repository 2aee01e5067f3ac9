// Package spelling suggests known names for a misspelt one.
package spelling
