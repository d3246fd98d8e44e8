//! Lets the binary find `libduckdb.so` from where it stands itself: beside it, or in `../lib`.

fn main() {
    println!("cargo:rustc-link-arg-bins=-Wl,-rpath,$ORIGIN:$ORIGIN/../lib");
    println!("cargo:rerun-if-changed=build.rs");
}
