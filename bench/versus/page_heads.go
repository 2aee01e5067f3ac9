package main

import (
	"fmt"
	"strconv"
	"strings"

	"fx/bench/internal/stats"
)

// writeHeads writes the seconds of the fits, and that both sides came to the
// same optimum.
func writeHeads(p *page, all []outcome) {
	seconds := printed("seconds")
	p.text("Drawn features (rows × features × classes), float32. L-BFGS has the same L2 penalty on both sides and ends where no derivative of the\n")
	p.text("mean loss is above %s; at the largest size scikit-learn ends at its default, %s, since it takes minutes as it is. fx, which searches in other\n", fxBound, sklearnDefault)
	p.text("coordinates, may come to a bound at a higher loss, so its time counts only if its loss is at most %g %% higher. SGD does the steps of\n", 100*worseLoss)
	p.text("torch.optim.SGD. Seconds of the fit alone, in memory; the aim is to be ahead at every size.\n")
	var rows, optima [][]string
	for i := range all {
		o := &all[i]
		peer := o.Sides[len(o.Sides)-1]
		values := times(o, peer.Name, seconds, lower)
		reached := atLeast("head of "+o.Title+", beside "+peer.Title, values, 1)
		if ours, theirs, short := fallsShort(o, &peer); short {
			reached.median, reached.met = fmt.Sprintf("%s, but to a loss of %.4g, where %s comes to %.4g", reached.median, ours, peer.Title, theirs), false
		}
		rows = append(rows, []string{
			o.Title, peer.Title, cell(o.side("fx"), seconds), cell(&peer, seconds), timesCell(o, peer.Name, seconds, lower), p.aim(reached),
			cell(o.side("fx"), peak), cell(&peer, peak),
		})
		for _, s := range o.Sides {
			optima = append(optima, []string{o.Title, s.Title, precise(&s, "iterations", 6), precise(&s, "evaluations", 6), precise(&s, "objective", 7), precise(&s, "gradient_max", 2), cell(&s, printed("val_accuracy"))})
		}
	}
	p.table([]string{"problem", "peer", "fx, s", "peer, s", "fx", "aim", "fx, MB", "peer, MB"}, rows)
	p.text("What the fits came to: the regularised mean loss and its largest absolute derivative, both computed in float64 from the parameters.\n")
	p.text("After SGD they need not agree: the sides draw other first parameters and another order of the rows, and fx keeps the epoch that is best on val.\n")
	p.table([]string{"problem", "side", "iterations", "evaluations", "objective", "largest derivative", "val accuracy"}, optima)
}

// worseLoss is by how much fx's loss may lie above a peer's, relative to it,
// where both look for the optimum.
const worseLoss = 0.001

// fallsShort tells whether fx stopped farther from the optimum than
// scikit-learn: a small gradient alone does not say where a fit came to, and a
// fit that ends early is no faster fit.
func fallsShort(o *outcome, peer *sideOutcome) (ours, theirs float64, short bool) {
	a, b := inRounds(o.side("fx").values(printed("objective"))), inRounds(peer.values(printed("objective")))
	if peer.Name != sklearnSide.name || len(a) == 0 || len(b) == 0 {
		return 0, 0, false
	}
	ours, theirs = stats.Median(a), stats.Median(b)
	return ours, theirs, ours > theirs*(1+worseLoss)
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
