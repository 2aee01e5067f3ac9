// Package flipbits damages files bit by bit, for tests which show that no damage is
// read as content:
//
//	flipbits.EachFile(t, dir, 1, func(damaged string) { … open it, compare … })
package flipbits
