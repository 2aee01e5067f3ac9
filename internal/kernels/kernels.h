// The kernels' interfaces: plain functions over parts of a job, independent of ONNX Runtime. The files op_*.c divide a
// job among threads.
#ifndef FX_KERNELS_H
#define FX_KERNELS_H

#include <stddef.h>
#include <stdint.h>

// A window over images: convolution or pooling. Sizes are in places.
typedef struct {
  int64_t batch, channels, outputs, groups; // outputs: channels of the result
  int64_t height, width, out_height, out_width;
  int64_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, top, left; // top, left: padding
} fx_window;

// A part of the gradient of a convolution's weight, see conv_weight.inc.h.
typedef struct {
  fx_window window;
  const float *dy, *x;
  float *to;     // [outputs of a group, rounded up to rows][block]
  int64_t group; // whose outputs it covers
  int64_t first,
      count;           // of the columns, block at most: channels/groups · kernel_h · kernel_w taps, and one for a bias
  int64_t line, lines; // of the batch · out_height lines of places
  float *scratch;      // fx_conv_weight_scratch floats
} fx_conv_weight_part;

// Some rows of tiles of a convolution by 3×3, see winograd.inc.h.
typedef struct {
  fx_window window;      // stride and dilation of 1
  const float *x, *bias; // bias may be NULL
  float *y;
  int relu;
  int64_t row, rows;  // of the batch · ⌈out_height / 2⌉ rows of tiles
  float *transformed; // of a group's channels: winograd_transformed_floats floats, aligned to 64 bytes
  float *scratch;     // winograd_scratch floats, per thread
} fx_winograd_part;

// Some rows of tiles of the gradient of a 3×3 convolution's weight, for a block of
// channels, see winograd_weight.inc.h.
typedef struct {
  fx_window window;
  const float *x, *dy;
  float *to;                 // [16][outputs, rounded up to rows][block]
  float *bias;               // [outputs]: Σ dY over the rows
  int64_t channel, channels; // of the block
  int64_t row, rows;
  float *scratch; // winograd_weight_scratch floats
} fx_winograd_weight_part;

// Some planes of a depthwise convolution, see depthwise.inc.h.
typedef struct {
  fx_window window;                  // channels = outputs = groups
  const float *from, *weight, *bias; // X, or dY for the input's gradient; bias may be NULL
  float *to;                         // Y, or dX
  int64_t first, planes;             // of the batch · channels planes
  float *scratch;                    // depthwise_scratch floats, per thread
} fx_depthwise_part;

// A channel of the gradient of a depthwise convolution's weight.
typedef struct {
  fx_window window;
  const float *dy, *x;
  float *dw, *db; // of all channels; db may be NULL
  int64_t channel;
  float *scratch; // depthwise_weight_scratch floats, per thread
} fx_depthwise_weight_part;

// Results along the edge of a tile of a convolution of a frozen network.
enum { FX_TILE_RESULTS = 4 };

// fx_tile_elements is the number of elements of a transformed tile and of a transformed kernel.
static inline int64_t fx_tile_elements(const fx_window *w) {
  const int64_t edge = FX_TILE_RESULTS + w->kernel_h - 1;
  return edge * edge;
}

// Some tiles of a convolution of a frozen network in blocked layout, see tiles.inc.h.
typedef struct {
  fx_window window; // kernel_h = kernel_w, 3 or 5; stride, dilation and groups of 1
  const float *x;
  const float *weights;    // of all panels of outputs, computed by tile_transform_weights
  const float *bias, *sum; // may be NULL
  float *y;
  int relu;
  int64_t first, tiles; // of all images' tiles
  float *scratch;       // tiles_scratch floats, per thread
} fx_tiles_part;

// The activations that kernels compute, by numbers that graphs contain. A clip has the bounds a and b, a hard sigmoid
// is a·z + b between 0 and 1.
typedef enum {
  FX_IDENTITY,
  FX_RELU,
  FX_CLIP,
  FX_HARD_SIGMOID,
  FX_HARD_SWISH,
  FX_SWISH,
  FX_GELU,
  FX_GELU_TANH
} fx_activation_kind;

// An activation of z = (x - mean)·scale + shift, see activation.inc.h.
typedef struct {
  fx_activation_kind kind;
  float a, b, mean, scale, shift;
} fx_activation;

typedef struct {
  const float *x; // [batch, channels, places]
  const float *dy;
  float *out; // y of the forward pass, dx of the backward pass
  int64_t batch, channels, places;
  fx_activation activation; // of the channel, with its mean
} fx_norm_channel;

typedef struct {
  const char *name;
  int64_t rows, block; // the rows that a product of matrices does together; the columns of a weight's gradient

  int64_t (*conv_weight_scratch)(const fx_window *w);
  void (*conv_weight)(const fx_conv_weight_part *part);

  int64_t (*winograd_rows)(const fx_window *w); // of tiles, that a part should have
  int64_t (*winograd_transformed_floats)(const fx_window *w, int64_t rows);
  int64_t (*winograd_scratch)(const fx_window *w, int64_t rows);
  // winograd_transform_weights transforms rows filters of a group, in rows · 16 · channels/groups floats.
  void (*winograd_transform_weights)(const fx_window *w, const float *weights, float *to, int64_t first,
                                     int transposed);
  void (*winograd_transform_input)(const fx_winograd_part *part, int64_t first, int64_t count); // channels
  void (*winograd_multiply)(const fx_winograd_part *part, const float *weights,
                            int64_t first); // to rows filters of a group

  int64_t (*winograd_weight_scratch)(const fx_window *w);
  void (*winograd_weight)(const fx_winograd_weight_part *part);
  void (*winograd_weight_finish)(const float *sums, int64_t shares, int64_t share_pitch, int64_t outputs,
                                 int64_t output, int64_t channels, float *dw);

  int64_t (*depthwise_scratch)(const fx_window *w, int transposed);
  void (*convolve_planes)(const fx_depthwise_part *part);
  void (*convolve_planes_transposed)(const fx_depthwise_part *part);
  int64_t (*depthwise_weight_scratch)(const fx_window *w);
  void (*depthwise_weight)(const fx_depthwise_weight_part *part);

  int64_t lanes, panel; // of a vector; outputs that a panel of tiles' weights has
  int64_t (*tiles_scratch)(const fx_window *w, int64_t tiles);
  void (*tile_transform_weights)(const float *w, float *to, int64_t outputs, int64_t channels, int64_t size,
                                 int64_t first);
  void (*convolve_tiles)(const fx_tiles_part *part);

  // max_pool does planes [first, first + count) of the batch · channels; taps
  // receives the number of the window's element that was largest.
  void (*max_pool)(const fx_window *w, const float *x, float *y, uint8_t *taps, int64_t first, int64_t count);

  // norm_moments gives mean and variance (biased) of channel c.
  void (*norm_moments)(const fx_norm_channel *n, int64_t c, double *mean, double *variance);
  void (*norm_apply)(const fx_norm_channel *n, int64_t c);
  // norm_sums gives Σ g and Σ g·(x - mean) of channel c, where g is dy times the activation's derivative. It leaves g
  // in out, if there are an activation and an out.
  void (*norm_sums)(const fx_norm_channel *n, int64_t c, double *dy, double *along);
  // norm_gradient writes dx = a·g + k1·(x - mean) + k0 of channel c, after norm_sums.
  void (*norm_gradient)(const fx_norm_channel *n, int64_t c, float a, float k1, float k0);

  void (*activate)(const fx_activation *f, const float *x, float *y, int64_t count);
  void (*activate_gradient)(const fx_activation *f, const float *dy, const float *x, float *dx, int64_t count);
  void (*sgd)(const float *p, const float *g, const float *m, float *next_p, float *next_m, int64_t count, float rate,
              float momentum, float decay, int nesterov);

  // Products of dense matrices, see dense.inc.h. A panel is that many columns of a packed matrix.
  int64_t panel_f32, panel_f64;
  void (*pack_f32)(float *to, const float *b, int64_t pitch, int64_t k, int64_t columns);
  void (*pack_transposed_f32)(float *to, const float *b, int64_t pitch, int64_t k, int64_t columns);
  void (*multiply_f32)(float *c, int64_t c_pitch, const float *a, int64_t a_pitch, int64_t rows, int64_t k,
                       const float *b, int64_t columns, int add);
  void (*dots_f32)(float *c, int64_t c_pitch, const float *a, int64_t a_pitch, int64_t rows, int64_t k, const float *b,
                   int64_t b_pitch, int64_t columns);
  void (*add_product_f32)(float *c, int64_t c_pitch, const float *a, int64_t a_pitch, int64_t rows, int64_t k,
                          const float *b, int64_t b_pitch, int64_t columns);
  void (*pack_f64)(double *to, const double *b, int64_t pitch, int64_t k, int64_t columns);
  void (*pack_transposed_f64)(double *to, const double *b, int64_t pitch, int64_t k, int64_t columns);
  void (*multiply_f64)(double *c, int64_t c_pitch, const double *a, int64_t a_pitch, int64_t rows, int64_t k,
                       const double *b, int64_t columns, int add);
  void (*dots_f64)(double *c, int64_t c_pitch, const double *a, int64_t a_pitch, int64_t rows, int64_t k,
                   const double *b, int64_t b_pitch, int64_t columns);
  void (*add_product_f64)(double *c, int64_t c_pitch, const double *a, int64_t a_pitch, int64_t rows, int64_t k,
                          const double *b, int64_t b_pitch, int64_t columns);

  // Of a classifier's head, see head.inc.h.
  int64_t (*softmax)(float *z, int64_t pitch, int64_t rows, int64_t classes, const int32_t *labels,
                     const float *weights, double *losses);
  int64_t (*softmax_columns)(float *z, int64_t pitch, int64_t rows, int64_t classes, const int32_t *labels,
                             const float *weights, double *losses);
  void (*head_step)(float *w, float *v, int64_t rows, const float *a, int64_t a_pitch, int64_t k, const float *b,
                    int64_t columns, float rate, float momentum, float decay);
} fx_isa;

// The widest instruction set that this processor has, or the one that FX_KERNELS_ISA names.
const fx_isa *fx_best_isa(void);
extern const fx_isa fx_isa_generic, fx_isa_avx2, fx_isa_avx512;

#endif
