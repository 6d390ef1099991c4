-- wrk: increases of 1,000 skus, to the path in the variable WAREHOUSE_PATH
local path = os.getenv("WAREHOUSE_PATH")
local headers = { ["Content-Type"] = "application/json" }
local n = 0

request = function()
    n = n + 1
    return wrk.format("POST", path, headers,
        '{"action":"increase","sku":"SKU' .. n % 1000 .. '","qty":1}')
end
