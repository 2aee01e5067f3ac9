package main

import (
	"strconv"
	"strings"
)

// writeHeads writes the seconds of the fits, and that both sides came to the
// same optimum.
func writeHeads(p *page, all []outcome) {
	seconds := printed("seconds")
	p.text("Drawn features (rows × features × classes), float32. L-BFGS ends where no derivative is above the same bound, with the same L2 penalty,\n")
	p.text("scikit-learn's LogisticRegression at C = 1; SGD does the steps of torch.optim.SGD. Seconds of the fit alone, in memory; the aim is\n")
	p.text("to be ahead at every size.\n")
	var rows, reached [][]string
	for i := range all {
		o := &all[i]
		peer := o.Sides[len(o.Sides)-1]
		values := times(o, peer.Name, seconds, lower)
		rows = append(rows, []string{
			o.Title, peer.Title, cell(o.side("fx"), seconds), cell(&peer, seconds), timesCell(o, peer.Name, seconds, lower), p.aim(atLeast("head of "+o.Title+", beside "+peer.Title, values, 1)),
			cell(o.side("fx"), peak), cell(&peer, peak),
		})
		for _, s := range o.Sides {
			reached = append(reached, []string{o.Title, s.Title, precise(&s, "iterations", 6), precise(&s, "evaluations", 6), precise(&s, "objective", 7), precise(&s, "gradient_max", 2), cell(&s, printed("val_accuracy"))})
		}
	}
	p.table([]string{"problem", "peer", "fx, s", "peer, s", "fx", "aim", "fx, MB", "peer, MB"}, rows)
	p.text("What the fits came to: the regularised mean loss and its largest absolute derivative, both computed in float64 from the parameters.\n")
	p.text("After SGD they need not agree: the sides draw other first parameters and another order of the rows, and fx keeps the epoch that is best on val.\n")
	p.table([]string{"problem", "side", "iterations", "evaluations", "objective", "largest derivative", "val accuracy"}, reached)
}

// precise is a number of a side's last turn with so many significant digits.
func precise(s *sideOutcome, name string, digits int) string {
	if s.Failure != "" || len(s.Runs) == 0 {
		return strings.TrimSpace(cell(s, printed(name)))
	}
	value, ok := printed(name)(s.Runs[len(s.Runs)-1])
	if !ok || value == 0 { // 0: the side does not count them
		return takesNoPart
	}
	return strconv.FormatFloat(value, 'g', digits, 64)
}
