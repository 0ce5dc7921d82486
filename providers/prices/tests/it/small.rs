//! A catalogue of a few types, and the book of it.

use dsenv_prices::Book;
use dsenv_prices::compile::{CompileError, Compiled, Tables, compile};

pub(crate) const INSTANCES: &str = "\
provider,instance_type,vcpu,memory_gib,arch,gpu_name,gpu_count,gpu_memory_gib_each,local_nvme_gb,network_gbps,family,source
aws,c6i.large,2,4,x86_64,,0,,0,12.5,c6i,moto-5.2.1
aws,g4dn.xlarge,4,16,x86_64,T4,1,16,125,25,g4dn,moto-5.2.1
aws,g5.xlarge,4,16,x86_64,A10G,1,22.352,250,10,g5,moto-5.2.1
aws,g6f.large,2,8,x86_64,L4,0.125,2.794,0,10,g6f,moto-5.2.1
aws,inf2.xlarge,4,16,x86_64,Inferentia2,1,32,0,15,inf2,moto-5.2.1
aws,m4.large,2,8,x86_64,,0,,0,,m4,moto-5.2.1
aws,m5.large,2,8,x86_64,,0,,0,10,m5,moto-5.2.1
aws,m6i.large,2,8,x86_64,,0,,0,12.5,m6i,moto-5.2.1
aws,m7g.large,2,8,arm64,,0,,0,12.5,m7g,moto-5.2.1
aws,m7i.16xlarge,64,256,x86_64,,0,,0,25,m7i,moto-5.2.1
aws,m7i.large,2,8,x86_64,,0,,0,12.5,m7i,moto-5.2.1
aws,m7i.metal-24xl,96,384,x86_64,,0,,0,37.5,m7i,moto-5.2.1
aws,m7i.xlarge,4,16,x86_64,,0,,0,12.5,m7i,moto-5.2.1
aws,p4d.24xlarge,96,1152,x86_64,A100,8,40,8000,400,p4d,moto-5.2.1
aws,p4de.24xlarge,96,1152,x86_64,A100,8,80,8000,400,p4de,moto-5.2.1
aws,t3.medium,2,4,x86_64,,0,,0,5,t3,moto-5.2.1
azure,Standard_ND96asr_v4,96,900,x86_64,A100,8,40,,,Standard NDASv4_A100 Family,autoscaler@55c37cd+msdocs@05e75b1
azure,Standard_NV6ads_A10_v5,6,55,x86_64,A10,0.166667,4,,,StandardNVADSA10v5Family,msdocs@05e75b1
gcp,a2-highgpu-8g,96,680,x86_64,A100,8,40,0,100,a2,gcosts@dac3128
gcp,c4n-standard-2,2,7,,,0,,0,,c4n,gcosts@dac3128
gcp,n1-standard-4,4,15,x86_64,,0,,0,10,n1,gcosts@dac3128
gcp,n1-standard-96,96,360,x86_64,,0,,0,32,n1,gcosts@dac3128
";

pub(crate) const COMPUTE: &str = "\
provider,region,instance_type,os,market,price_usd_hour,as_of,source
aws,eu-west-1,c6i.large,linux,on_demand,0.09,2026-02-17,parsec@28e2c40
aws,eu-west-1,g4dn.xlarge,linux,on_demand,0.587,2026-02-17,parsec@28e2c40
aws,eu-west-1,g5.xlarge,linux,on_demand,1.123,2026-02-17,parsec@28e2c40
aws,eu-west-1,g6f.large,linux,on_demand,0.2,2026-02-17,parsec@28e2c40
aws,eu-west-1,inf2.xlarge,linux,on_demand,0.8,2026-02-17,parsec@28e2c40
aws,eu-west-1,m4.large,linux,on_demand,0.05,2026-02-17,parsec@28e2c40
aws,eu-west-1,m6i.large,linux,on_demand,0.107,2026-02-17,parsec@28e2c40
aws,eu-west-1,m7g.large,linux,on_demand,0.0911,2026-02-17,parsec@28e2c40
aws,eu-west-1,m7i.16xlarge,linux,on_demand,3.4,2026-02-17,parsec@28e2c40
aws,eu-west-1,m7i.large,linux,on_demand,0.107,2026-02-17,parsec@28e2c40
aws,eu-west-1,m7i.metal-24xl,linux,on_demand,0.01,2026-02-17,parsec@28e2c40
aws,eu-west-1,m7i.xlarge,linux,on_demand,0.2247,2026-02-17,parsec@28e2c40
aws,eu-west-1,t3.medium,linux,on_demand,0.0456,2026-02-17,parsec@28e2c40
aws,us-east-1,m5.large,linux,on_demand,0.096,2026-07-20,karpenter-aws@1d92708
aws,us-east-1,m5.large,linux,spot,0.0331,2026-08-06,spotinfo@69bcec6
aws,us-east-1,m7i.large,linux,on_demand,0.1008,2026-07-20,karpenter-aws@1d92708
aws,us-east-1,p4d.24xlarge,linux,on_demand,21.9576,2026-07-20,karpenter-aws@1d92708
aws,us-east-1,p4de.24xlarge,linux,on_demand,27.4471,2026-07-20,karpenter-aws@1d92708
azure,westeurope,Standard_ND96asr_v4,linux,on_demand,32.77,2026-08-20,azure-radar@cf741f2
azure,westeurope,Standard_NV6ads_A10_v5,linux,on_demand,0.000684,2026-08-20,azure-radar@cf741f2
azure,westeurope,Standard_NV6ads_A10_v5,windows,on_demand,0,2026-08-20,azure-radar@cf741f2
gcp,us-central1,a2-highgpu-8g,linux,on_demand,29.387,2026-08-03,karpenter-gcp@417f047
gcp,us-central1,n1-standard-4,linux,on_demand,0.19,2026-08-03,karpenter-gcp@417f047
gcp,us-central1,n1-standard-96,linux,on_demand,4.56,2026-08-03,karpenter-gcp@417f047
";

pub(crate) const SERVICES: &str = "\
provider,region,service,item,unit,price_usd
aws,us-east-1,aws_nat_gateway,NAT gateway,hour,0.045
aws,us-east-1,aws_secretsmanager_secret,API requests,10k requests,0.05
aws,us-east-1,aws_data_transfer,Outbound data transfer to Internet (first 10TB),GB,0.09
aws,us-east-1,aws_data_transfer,Outbound data transfer to Internet (next 40TB),GB,0.085
aws,us-east-1,aws_kinesis_stream,Data ingested (display-rounded to cents),GB,0.08
aws,us-east-1,aws_elasticache_cluster,\"ElastiCache (on-demand, cache.m4.large)\",hour,0.156
aws,us-east-1,aws_elasticache_cluster,\"ElastiCache (on-demand, cache.m4.large, autoscaling)\",hour,0.2
";

pub(crate) const INTERRUPTIONS: &str = "\
region,instance_type,savings_percent,interruption_band_monthly
us-east-1,m5.large,-62,>20%
us-east-1,m7i.large,61,5-10%
";

pub(crate) const PUBLISHED: &str = "\
provider,region,resource_kind,spec,usage_assumptions,unit,hourly_or_unit_price_usd,monthly_cost_usd,golden_file_path,monthly_qty,unit_price_tolerance_usd,caveat
aws,us-east-1,disk,\"address=a; component=Storage (general purpose SSD, gp3); type=gp3\",,GB,0.08,3.2,g,40,1.25E-4,
aws,us-east-1,disk,\"address=b; component=Storage (general purpose SSD, gp2); type=gp2\",,GB,9,90,g,10,0,SUSPECT: made up
";

/// Compiles the catalogue with one table in place of its own.
pub(crate) fn compile_with(name: &str, table: &str) -> Result<Compiled, CompileError> {
    let pick = |own: &'static str, text: &'static str| {
        if name == own { table.to_owned() } else { text.to_owned() }
    };
    let (instances, compute) = (pick("instances", INSTANCES), pick("compute", COMPUTE));
    let (services, interruptions) =
        (pick("services", SERVICES), pick("interruptions", INTERRUPTIONS));
    let published = pick("published", PUBLISHED);
    compile(Tables {
        instances: &mut instances.as_bytes(),
        compute_prices: &mut compute.as_bytes(),
        service_prices: &mut services.as_bytes(),
        spot_interruption: &mut interruptions.as_bytes(),
        published_monthly: &mut published.as_bytes(),
    })
}

pub(crate) fn bytes() -> Vec<u8> {
    compile_with("none", "").expect("the small catalogue is right").bytes
}

pub(crate) fn book() -> Book {
    Book::open(bytes()).expect("a compiled book is whole")
}
