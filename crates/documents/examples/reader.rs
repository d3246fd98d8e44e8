//! The smallest program that [`stele_documents::ChildProcess`] can start. The tests start this one.

fn main() -> std::io::Result<()> {
    stele_documents::run_child(std::io::stdin().lock(), std::io::stdout().lock())
}
