module escrowmq/bench/dtm

go 1.22
