module plain_encoder

go 1.19
