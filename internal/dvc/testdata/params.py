# Writes params.json: files of parameters made up at random, and what the YAML writer of
# DVC 3.67 makes of them in dvc.lock. Usage: python params.py 60 params.json
import json, random, sys
from dvc.utils.serialize import dumps_yaml, parse_yaml
from collections import OrderedDict
words=["a","log","0.5","12","true","null","~","yes","x y","long "*30+"end","https://a.b/c?d=e#f","it's",'q"q',"a: b","- x","é ü","1e3","2026-01-01","  ","","0x1F","#c","[x]","{y}","trailing ","@at","%p","&a","*b","!t","|p",">g","a#b","a #b","-","--","?","? x",":", "=","<<","10:20", "_1", "1_000","NaN",".nan",".inf","-.inf"]
def key(r): return r.choice(["alpha","beta","c","max_depth","x y","é","1k","true","a:b","0.5","k-1"])+str(r.randint(0,99))
def val(r,d):
    t=r.random()
    if d<4 and t<0.2: return OrderedDict((key(r),val(r,d+1)) for _ in range(r.randint(0,4)))
    if d<4 and t<0.4: return [val(r,d+1) for _ in range(r.randint(0,4))]
    return r.choice([None,True,False,r.randint(-5,10**6),r.uniform(-1,1),r.uniform(0,1e-6),1e20*r.random(),float(r.randint(0,9)),r.choice(words),r.choice(words)])
out=[]
for seed in range(int(sys.argv[1])):
    r=random.Random(seed)
    v=OrderedDict((key(r),val(r,0)) for _ in range(r.randint(1,5)))
    j=json.dumps(v)
    lock=dumps_yaml({"schema":"2.0","stages":{"s":OrderedDict(cmd="x",params={"p.json":OrderedDict((k,parse_yaml(j,"p.json")[k]) for k in sorted(v))})}})
    out.append({"json":j,"lock":lock})
json.dump(out,open(sys.argv[2],"w"))
