use super::*;

fn shape(inputs: usize, hidden: &[usize], classes: usize) -> MlpShape {
    MlpShape { inputs, hidden: hidden.to_vec(), classes }
}

fn stage(channels: usize, kernel: usize, padding: Padding) -> Convolution {
    Convolution { channels, kernel, padding, pooling: Pooling::Max2 }
}

fn images(height: usize, width: usize, convolutions: &[Convolution]) -> CnnShape {
    let convolutions = convolutions.to_vec();
    CnnShape { channels: 3, height, width, convolutions, hidden: vec![7], classes: 4 }
}

fn check_refused(architecture: Result<Architecture, ArchitectureError>, expected: &str) {
    assert_eq!(architecture.unwrap_err().to_string(), expected);
}

fn check_bytes(architecture: &Architecture, expected: &[u32]) {
    let expected: Vec<u8> = expected.iter().flat_map(|v| v.to_be_bytes()).collect();
    assert_eq!(architecture.to_bytes(), expected);
}

#[test]
fn sizes_out_of_bounds_are_refused() {
    let check = |shape, expected: &str| check_refused(Architecture::mlp(shape), expected);
    check(shape(0, &[3], 2), "inputs must lie between 1 and 65536, got 0");
    check(
        shape(usize::MAX, &[3], 2),
        &format!("inputs must lie between 1 and 65536, got {}", usize::MAX),
    );
    check(shape(4, &[3; 17], 2), "hidden layers must lie between 0 and 16, got 17");
    check(shape(4, &[3, 0], 2), "width of a hidden layer must lie between 1 and 16384, got 0");
    check(shape(4, &[3], 1), "classes must lie between 2 and 4096, got 1");
    check(
        shape(65_536, &[16_384], 2),
        "parameters must lie between 1 and 16777216, got 1073790978",
    );
}

#[test]
fn convolutions_that_do_not_fit_the_image_are_refused() {
    let check = |shape, expected: &str| check_refused(Architecture::cnn(shape), expected);
    let (same, valid) = (Padding::Same, Padding::Valid);
    check(images(9, 9, &[]), "convolutions must lie between 1 and 8, got 0");
    check(images(9, 9, &[stage(4, 4, same)]), "the side of a kernel must be odd, got 4");
    check(images(9, 9, &[stage(4, 17, same)]), "kernel must lie between 1 and 15, got 17");
    check(images(9, 9, &[stage(0, 3, same)]), "channels must lie between 1 and 1024, got 0");
    check(
        images(9, 5, &[stage(4, 5, valid)]),
        "width before a convolution must lie between 6 and 65536, got 5",
    );
    check(
        images(9, 9, &[stage(4, 3, valid), stage(4, 3, valid)]),
        "height before a convolution must lie between 4 and 65536, got 3",
    );
    check(
        images(300, 300, &[stage(4, 3, same)]),
        "inputs must lie between 1 and 65536, got 270000",
    );
    check(
        images(140, 140, &[stage(1_024, 3, same)]),
        "values after a convolution must lie between 1 and 1048576, got 20070400",
    );
    check(
        CnnShape { height: usize::MAX, ..images(9, 9, &[]) },
        &format!("height must lie between 1 and 65536, got {}", usize::MAX),
    );
}

#[test]
fn the_named_networks_have_the_published_numbers_of_parameters() {
    assert_eq!(Architecture::Cnn(Cnn::mcmahan()).parameter_count(), 1_663_370);
    assert_eq!(Architecture::Cnn(Cnn::small()).parameter_count(), 80_202);
}

#[test]
fn the_canonical_bytes_are_pinned() {
    let architecture = Architecture::mlp(shape(11, &[32], 2)).unwrap();
    check_bytes(&architecture, &[1, 11, 1, 32, 2]);
    let stages = [
        stage(5, 3, Padding::Same),
        Convolution { pooling: Pooling::None, ..stage(6, 1, Padding::Valid) },
    ];
    let architecture = Architecture::cnn(images(9, 8, &stages)).unwrap();
    check_bytes(&architecture, &[2, 3, 9, 8, 2, 5, 3, 1, 2, 6, 1, 0, 1, 1, 7, 4]);
}

#[test]
fn the_canonical_bytes_of_the_others_are_pinned() {
    let shape = CharGruShape { vocabulary: 80, embedding: 8, hidden: 256, layers: 2, context: 64 };
    let gru = Architecture::char_gru(shape).unwrap();
    check_bytes(&gru, &[3, 80, 8, 256, 2, 64]);
    assert_eq!((gru.inputs(), gru.classes(), gru.levels(63)), (64, 80, Some(80)));
    let table = Architecture::table_mlp(table(2, &[(7, 3), (2, 1)])).unwrap();
    check_bytes(&table, &[4, 2, 2, 7, 3, 2, 1, 1, 9, 2]);
    assert_eq!((table.inputs(), table.classes()), (4, 2));
    assert_eq!([1, 2, 3].map(|column| table.levels(column)), [None, Some(7), Some(2)]);
}

fn table(numeric: usize, categorical: &[(usize, usize)]) -> TableMlpShape {
    let column = |&(levels, dimension): &(usize, usize)| Categorical { levels, dimension };
    let categorical = categorical.iter().map(column).collect();
    TableMlpShape { numeric, categorical, hidden: vec![9], classes: 2 }
}

#[test]
fn sizes_of_the_others_out_of_bounds_are_refused() {
    let shape = CharGruShape { vocabulary: 80, embedding: 8, hidden: 256, layers: 2, context: 64 };
    let check = |shape, expected: &str| check_refused(Architecture::char_gru(shape), expected);
    check(
        CharGruShape { vocabulary: 1, ..shape.clone() },
        "vocabulary must lie between 2 and 4096, got 1",
    );
    check(
        CharGruShape { layers: 0, ..shape.clone() },
        "recurrent layers must lie between 1 and 4, got 0",
    );
    check(CharGruShape { context: 0, ..shape }, "context must lie between 1 and 1024, got 0");
    let check = |shape, expected: &str| check_refused(Architecture::table_mlp(shape), expected);
    check(table(2, &[]), "categorical columns must lie between 1 and 1024, got 0");
    check(table(0, &[(0, 1)]), "levels of a column must lie between 1 and 65536, got 0");
    check(table(0, &[(5, 0)]), "dimension of a column must lie between 1 and 1024, got 0");
    check(table(65_536, &[(5, 1)]), "inputs must lie between 1 and 65536, got 65537");
}
