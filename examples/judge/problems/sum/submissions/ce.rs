// expect: CE
fn main() {
    let number: u32 = "one";
    println!("{number}");
}
