// All kernels for the instruction set of the including file.
#include "kernels.h"
#include "vector.h"

#include "matrices.inc.h"

#define REAL float
#define NAME(x) x##_f32
#include "dense.inc.h"
#undef REAL
#undef NAME
#define REAL double
#define NAME(x) x##_f64
#include "dense.inc.h"
#undef REAL
#undef NAME

#include "activation.inc.h"
#include "batch_norm.inc.h"
#include "conv_weight.inc.h"
#include "depthwise.inc.h"
#include "head.inc.h"
#include "max_pool.inc.h"
#include "sgd.inc.h"
#include "tiles.inc.h"
#include "winograd.inc.h"
#include "winograd_weight.inc.h"

const fx_isa ISA = {
    .name = ISA_NAME,
    .rows = ROWS,
    .block = BLOCK,
    .conv_weight_scratch = conv_weight_scratch,
    .conv_weight = conv_weight,
    .winograd_rows = winograd_rows,
    .winograd_transformed_floats = winograd_transformed_floats,
    .winograd_scratch = winograd_scratch,
    .winograd_transform_weights = winograd_transform_weights,
    .winograd_transform_input = winograd_transform_input,
    .winograd_multiply = winograd_multiply,
    .winograd_weight_scratch = winograd_weight_scratch,
    .winograd_weight = winograd_weight,
    .winograd_weight_finish = winograd_weight_finish,
    .depthwise_scratch = depthwise_scratch,
    .convolve_planes = convolve_planes,
    .convolve_planes_transposed = convolve_planes_transposed,
    .depthwise_weight_scratch = depthwise_weight_scratch,
    .depthwise_weight = depthwise_weight,
    .lanes = LANES,
    .panel = PANEL,
    .tiles_scratch = tiles_scratch,
    .tile_transform_weights = tile_transform_weights,
    .convolve_tiles = convolve_tiles,
    .max_pool = max_pool,
    .norm_moments = norm_moments,
    .norm_apply = norm_apply,
    .norm_sums = norm_sums,
    .norm_gradient = norm_gradient,
    .activate = activate,
    .activate_gradient = activate_gradient,
    .sgd = sgd,
    .panel_f32 = panel_f32,
    .pack_f32 = pack_f32,
    .pack_transposed_f32 = pack_transposed_f32,
    .multiply_f32 = multiply_f32,
    .dots_f32 = dots_f32,
    .add_product_f32 = add_product_f32,
    .panel_f64 = panel_f64,
    .pack_f64 = pack_f64,
    .pack_transposed_f64 = pack_transposed_f64,
    .multiply_f64 = multiply_f64,
    .dots_f64 = dots_f64,
    .add_product_f64 = add_product_f64,
    .softmax = softmax,
    .softmax_columns = softmax_columns,
    .head_step = head_step,
};
