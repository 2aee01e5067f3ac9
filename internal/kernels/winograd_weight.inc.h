// The gradient of a 3×3 convolution's weight with the same tiles, in reverse:
//
//   dW = Gᵀ [ Σ over tiles (A dY Aᵀ) ⊙ (Bᵀ d B) ] G
//
// Each of the 16 elements is a product of the outputs' rows with BLOCK channels' columns, summed over tiles. A part of
// the job is a block of channels and some rows of tiles, packed a piece at a time.

enum { PIECE_TILES = 128 };

INLINE tiling piece_tiling(const fx_window *w) {
  int64_t across = (w->out_width + 1) / 2, rows = PIECE_TILES / across;
  return winograd_tiling(w, rows < 1 ? 1 : rows);
}

static int64_t winograd_weight_scratch(const fx_window *w) {
  tiling t = piece_tiling(w);
  int64_t pitch = t.tiles + LANES;
  return ELEMENTS * (t.tiles * BLOCK + 80 + LANES * pitch + 80 + ROWS * pitch) + line_floats(w, &t) + 4 * t.line +
         2 * LANES;
}

// transform_gradients writes A dY Aᵀ of one output: element e of tile t to gradients[e·pitch + t].
static void transform_gradients(float *gradients, int64_t pitch, const fx_window *w, const float *dy, int64_t row,
                                const tiling *t, int64_t output, float *lines) {
  float *padded[2] = {lines, lines + 2 * t->line};
  int64_t image = row / t->down, down = row % t->down;
  for (int64_t r = 0; r < t->rows; r++) {
    for (int i = 0; i < 2; i++) {
      int64_t used = 0, at = 2 * down + i;
      if (at < w->out_height) {
        used = w->out_width;
        copy_run(padded[i], dy + ((image * w->outputs + output) * w->out_height + at) * w->out_width, used);
      }
      for (; used < 2 * t->across; used++) padded[i][used] = 0;
    }
    float *to = gradients + r * t->across;
    for (int64_t j = 0; j < t->across; j += LANES) {
      vec h[2][4];
      UNROLL
      for (int i = 0; i < 2; i++) {
        vec a = load(padded[i] + 2 * j), b = load(padded[i] + 2 * j + LANES), even = even_lanes(a, b),
            odd = odd_lanes(a, b);
        h[i][0] = even, h[i][1] = even + odd, h[i][2] = even - odd, h[i][3] = -odd;
      }
      UNROLL
      for (int k = 0; k < 4; k++) {
        store(to + (0 + k) * pitch + j, h[0][k]);
        store(to + (4 + k) * pitch + j, h[0][k] + h[1][k]);
        store(to + (8 + k) * pitch + j, h[0][k] - h[1][k]);
        store(to + (12 + k) * pitch + j, -h[1][k]);
      }
    }
    if (++down == t->down) down = 0, image++;
  }
}

static void winograd_weight(const fx_winograd_weight_part *part) {
  const fx_window *w = &part->window;
  const int64_t outputs = round_up(w->outputs, ROWS), columns = round_up(part->channels, LANES);
  const tiling whole = piece_tiling(w);
  const int64_t pitch = whole.tiles + LANES, element = whole.tiles * BLOCK + 80, narrow = LANES * pitch + 80;
  float *transformed = (float *)round_up((int64_t)(uintptr_t)part->scratch, BYTES); // [element][tile][channel]
  float *group = transformed + ELEMENTS * element;                                  // [element][LANES channels][tile]
  float *gradients = group + ELEMENTS * narrow;                                     // [element][ROWS outputs][tile]
  float *lines = gradients + ELEMENTS * ROWS * pitch, *dy_lines = lines + line_floats(w, &whole);
  memset(lines, 0, (size_t)(line_floats(w, &whole) + 4 * whole.line) * 4);
  memset(part->bias, 0, (size_t)w->outputs * 4);
  for (int64_t done = 0; done < part->rows; done += whole.rows) {
    tiling t = winograd_tiling(w, part->rows - done < whole.rows ? part->rows - done : whole.rows);
    const int64_t tiles = t.rows * t.across, row = part->row + done;
    for (int64_t c = 0; c < columns; c += LANES) {
      if (c + LANES > part->channels) memset(group, 0, (size_t)(ELEMENTS * narrow) * 4);
      for (int64_t i = 0; i < LANES && c + i < part->channels; i++)
        transform_input(group + i * pitch, narrow, w, part->x, row, &t, part->channel + c + i, lines);
      for (int e = 0; e < ELEMENTS; e++)
        for (int64_t j = 0; j < t.tiles; j += LANES)
          transpose(group + e * narrow + j, pitch, transformed + e * element + j * BLOCK + c, BLOCK);
    }
    for (int64_t o = 0; o < outputs; o += ROWS) {
      for (int64_t f = 0; f < ROWS && o + f < w->outputs; f++) {
        transform_gradients(gradients + f * pitch, ROWS * pitch, w, part->dy, row, &t, o + f, dy_lines);
        const float *sums = gradients + 5 * ROWS * pitch + f * pitch; // of a tile's four dY
        float bias = 0;
        for (int64_t j = 0; j < tiles; j++) bias += sums[j];
        part->bias[o + f] += bias;
      }
      for (int e = 0; e < ELEMENTS; e++) {
        product p = {
            .rows = gradients + e * ROWS * pitch,
            .columns = transformed + e * element,
            .to = part->to + (e * outputs + o) * BLOCK,
            .count = tiles,
            .row_pitch = pitch,
            .column_pitch = BLOCK,
            .to_pitch = BLOCK,
            .add = done > 0,
        };
        multiply_matrices(&p, columns);
      }
    }
  }
}

// winograd_weight_finish writes Gᵀ s G as [channel][3][3], where s is the sum of the shares of a block for one output.
static void winograd_weight_finish(const float *sums, int64_t shares, int64_t share_pitch, int64_t outputs,
                                   int64_t output, int64_t channels, float *dw) {
  const int64_t rows = round_up(outputs, ROWS);
  for (int64_t c = 0; c < channels; c += LANES) {
    vec s[16];
    for (int e = 0; e < ELEMENTS; e++) {
      const float *from = sums + (e * rows + output) * BLOCK + c;
      s[e] = load(from);
      for (int64_t i = 1; i < shares; i++) s[e] += load(from + i * share_pitch);
    }
    vec h[3][4], g[9];
    for (int k = 0; k < 4; k++) {
      vec sum = (s[4 + k] + s[8 + k]) * 0.5f;
      h[0][k] = s[k] + sum, h[1][k] = (s[4 + k] - s[8 + k]) * 0.5f, h[2][k] = sum + s[12 + k];
    }
    for (int i = 0; i < 3; i++) {
      vec sum = (h[i][1] + h[i][2]) * 0.5f;
      g[3 * i] = h[i][0] + sum, g[3 * i + 1] = (h[i][1] - h[i][2]) * 0.5f, g[3 * i + 2] = sum + h[i][3];
    }
    for (int l = 0; l < LANES && c + l < channels; l++)
      for (int k = 0; k < 9; k++) dw[(c + l) * 9 + k] = g[k][l];
  }
}
