package training

// usage is what the help says of a flag.
type usage struct {
	text  string
	head  string // of fx fit-head, where it differs
	unset string // in the place of the default
}

// usages are those of all settings, by name.
var usages = map[string]usage{
	"scratch": {text: "start a registered network from random weights, drawn by --seed as torchvision's constructors " +
		"draw them"},
	"head-only":  {text: "train the classifier alone"},
	"trainable":  {text: "train the parameters that match one of the `PATTERNS`, such as 'layer4.*,fc.*'"},
	"solver":     {text: "sgd or lbfgs"},
	"epochs":     {text: "passes over the training photos"},
	"batch-size": {text: "photos a batch"},
	"accumulate": {text: "batches whose gradients make one update"},
	"optimizer":  {text: "sgd or adamw"},
	"lr":         {text: "learning rate"},
	"momentum":   {text: "sgd: momentum", head: "momentum"},
	"nesterov":   {text: "sgd: Nesterov's momentum"},
	"weight-decay": {
		text: "sgd: added to the gradient, times the parameter; adamw: decoupled",
		head: "added to the gradient, times the parameter", unset: "0, of adamw 0.01",
	},
	"l2": {text: "strength λ of λ/2·Σw² beside the mean loss", unset: "1/photos, scikit-learn's C = 1"},

	"head-lr-multiplier": {text: "of the learning rate, for the classifier"},
	"schedule":           {text: "of the learning rate: constant, step or cosine"},
	"step-epochs":        {text: "schedule step: a tenth of the rate after every so many epochs"},
	"warmup-epochs":      {text: "over which the learning rate rises from 0"},
	"label-smoothing":    {text: "share of the target that is spread over all classes"},
	"class-weights":      {text: "none, or auto: rare classes count more"},
	"clip-grad-norm":     {text: "bound on the norm of all gradients together, 0 for none"},
	"ema": {
		text: "`DECAY` of a moving average of the weights, which is judged and kept in their place, 0 for none",
	},
	"frozen-bn": {text: "batch normalization keeps its running statistics"},
	"precision": {text: "of products: float32, or bfloat16 (on a GPU) or float16 (with a loss scale) around float32 " +
		"parameters, sums and statistics"},
	"seed": {
		text: "of the new classifier, the order of the photos, augmentation and dropout",
		head: "of the initial parameters, the order of the photos and dropout",
	},

	"resize":       {text: "pixels of the shorter side of a val photo", unset: "the network's own"},
	"crop":         {text: "pixels of the network's input", unset: "the network's own"},
	"train-split":  {text: "name of the split to learn from", unset: "train"},
	"val-split":    {text: "name of the split to judge by", unset: "val"},
	"val-fraction": {text: "judge by this share of the training photos, where there is no val split"},
	"exif":         {text: "orientation tag: ignore (as torchvision does) or apply"},
	"views":        {text: "random views of each training photo that are cached"},
	"dtype":        {text: "of the cached values: float16 or float32"},

	"on-bad-image":     {text: "skip or fail"},
	"checkpoint-steps": {text: "save after so many steps within an epoch too", unset: "every few minutes"},
}
