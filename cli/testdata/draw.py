"""Draws the photos of the fixtures: photos/{train,val}/{blue,red}/N.png, 16x12 pixels."""
import os, random
from PIL import Image
random.seed(0)
for split, count in (("train", 8), ("val", 4)):
    for cls in ("blue", "red"):
        d = f"photos/{split}/{cls}"
        os.makedirs(d, exist_ok=True)
        for n in range(count):
            im = Image.new("RGB", (16, 12))
            for i in range(16 * 12):
                c = [random.randrange(100), random.randrange(200), random.randrange(100, 250)]
                im.putpixel((i % 16, i // 16), tuple(c[::-1] if cls == "red" else c))
            im.save(f"{d}/{n}.png")
